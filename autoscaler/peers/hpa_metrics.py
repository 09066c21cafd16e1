"""From a metric to a number of replicas: the Kubernetes HPA's five kinds of metric, and how several are combined.

Integers are milli-units and divide downwards as they do upstream; sums saturate at 2^63 − 1 and replicas of total
metrics at 2^31 − 1. Formulas: ``replica_calculator.go`` and ``utilization.go``, Kubernetes 1.36.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.peers.hpa_pods import MetricsError, Pod, Problem, Sample, Startup, group

INT64_MAX = 2**63 - 1
INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far usage may be from the target before the HPA acts, as fractions below and above."""

    down: float = 0.1
    up: float = 0.1

    def holds(self, ratio: float) -> bool:
        """Whether a usage ratio (1.0 is on target) is near enough."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


TOLERANCE = Tolerance()
STARTUP = Startup()


@dataclass(frozen=True, slots=True)
class Proposal:
    """Replicas that one metric asks for, the usage it saw (milli-units), and percent of the request if it has one."""

    replicas: int
    usage_milli: int
    utilization_pct: int | None = None


@dataclass(frozen=True, slots=True)
class _Usage:
    """Usage against its target as a ratio, per pod, and in percent of the request if there is one."""

    ratio: float
    average_milli: int
    utilization_pct: int | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """What is left of the samples: trusted values by pod, the number of ready pods, and names without a value."""

    trusted: Mapping[str, int]
    ready: int
    unready: frozenset[str]
    missing: frozenset[str]


def from_resource(
    current: int,
    target_pct: int,
    samples: Mapping[str, Sample],
    pods: Sequence[Pod],
    *,
    resource: str = "cpu",
    tolerance: Tolerance = TOLERANCE,
    startup: Startup = STARTUP,
) -> Proposal:
    """Utilisation of a resource (or of one container) in percent of the request. Raises ``MetricsError``."""
    view = _view(samples, pods, resource, startup)
    requests = _requests(pods)

    def measure(values: Mapping[str, int]) -> _Usage:
        return _utilization(values, requests, target_pct)

    first = measure(view.trusted)
    replicas = _corrected(
        current, first, view, measure, lambda name: requests[name] * max(100, target_pct) // 100, tolerance
    )
    return Proposal(replicas, first.average_milli, first.utilization_pct)


def from_pods(
    current: int,
    target_milli: int,
    samples: Mapping[str, Sample],
    pods: Sequence[Pod],
    *,
    tolerance: Tolerance = TOLERANCE,
) -> Proposal:
    """A metric per pod against an average value. Readiness plays no part here. Raises ``MetricsError``."""
    view = _view(samples, pods, "", STARTUP)

    def measure(values: Mapping[str, int]) -> _Usage:
        average = saturated(values.values()) // len(values)
        return _Usage(average / target_milli, average)

    first = measure(view.trusted)
    replicas = _corrected(current, first, view, measure, lambda _: target_milli, tolerance)
    return Proposal(replicas, first.average_milli)


def from_value(
    current: int,
    target_milli: int,
    values_milli: Sequence[int],
    pods: Sequence[Pod],
    *,
    tolerance: Tolerance = TOLERANCE,
) -> Proposal:
    """One total (of an object, or summed over external series) against a total target."""
    usage = saturated(values_milli)
    ratio = usage / target_milli
    if current == 0:
        return Proposal(_replicas(ratio), usage)
    if tolerance.holds(ratio):
        return Proposal(current, usage)
    ready = sum(pod.phase == "Running" and pod.ready is True for pod in pods)
    return Proposal(_replicas(ratio * ready), usage)


def from_average_value(
    current: int, target_milli: int, values_milli: Sequence[int], *, tolerance: Tolerance = TOLERANCE
) -> Proposal:
    """One total against a target per replica. From zero replicas there is no average and no tolerance."""
    usage = saturated(values_milli)
    wanted = _replicas(usage / target_milli)
    if current == 0:
        return Proposal(wanted, usage)
    near = tolerance.holds(usage / (float(target_milli) * current))
    return Proposal(current if near else wanted, min(INT64_MAX, math.ceil(usage / current)))


def combine(current: int, proposals: Sequence[int | None]) -> int | None:
    """The largest proposal of several metrics, None (no scaling) where that cannot be trusted.

    An unusable metric (None) might have asked for more: without it the fleet may still grow, never shrink.
    """
    valid = [proposal for proposal in proposals if proposal is not None]
    if not valid or (len(valid) < len(proposals) and max(valid) < current):
        return None
    return max(valid)


def saturated(values: Iterable[int]) -> int:
    """Sum that stops at 2^63 − 1."""
    return min(INT64_MAX, sum(values))


def _replicas(raw: float) -> int:
    return min(INT32_MAX, math.ceil(raw))


def _view(samples: Mapping[str, Sample], pods: Sequence[Pod], resource: str, startup: Startup) -> _View:
    groups = group(pods, samples, resource, startup)
    distrusted = groups.unready | groups.ignored
    trusted = {name: sample.value_milli for name, sample in samples.items() if name not in distrusted}
    if not trusted:
        raise MetricsError(Problem.NO_SAMPLES)
    return _View(trusted, groups.ready, groups.unready, groups.missing)


def _requests(pods: Sequence[Pod]) -> dict[str, int]:
    if any(pod.request_milli is None for pod in pods):
        raise MetricsError(Problem.NO_REQUEST)
    return {pod.name: pod.request_milli for pod in pods if pod.request_milli is not None}


def _utilization(values: Mapping[str, int], requests: Mapping[str, int], target_pct: int) -> _Usage:
    both = [name for name in values if name in requests]
    if not both:
        raise MetricsError(Problem.NO_MATCHING_PODS)
    total = saturated([values[name] for name in both])
    pct = total * 100 // sum(requests[name] for name in both)
    return _Usage(pct / target_pct, total // len(both), pct)


def _corrected(
    current: int,
    first: _Usage,
    view: _View,
    measure: Callable[[Mapping[str, int]], _Usage],
    when_missing: Callable[[str], int],
    tolerance: Tolerance,
) -> int:
    """Replicas after assuming the worst of pods without a trusted sample: idle when growing, busy when shrinking."""
    growing = first.ratio > 1.0
    if not view.missing and not (view.unready and growing):
        return current if tolerance.holds(first.ratio) else math.ceil(first.ratio * view.ready)
    filled = dict(view.trusted)
    if growing:
        filled |= dict.fromkeys(view.missing | view.unready, 0)
    elif first.ratio < 1.0:
        filled |= {name: when_missing(name) for name in view.missing}
    ratio = measure(filled).ratio
    wanted = math.ceil(ratio * len(filled))
    turned = (first.ratio < 1.0 < ratio) or (first.ratio > 1.0 > ratio)
    contradicts = (ratio < 1.0 and wanted > current) or (ratio > 1.0 and wanted < current)
    return current if tolerance.holds(ratio) or turned or contradicts else wanted
