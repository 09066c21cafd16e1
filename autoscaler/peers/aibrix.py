"""AIBrix's PodAutoscaler (v0.7.0-rc): its APA rule, its KPA as coded, its windows and its stabilisation.

Formulas from reference peers 4 with corrections A1 to A5. What ships differs from what its comments promise, and both
are kept: stabilisation *as coded* takes the lowest recommendation of the down window, so one dip decides, while the
HPA that it names takes the highest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoscaler.peers.rule import FleetSignals, ReplicaSignals, Terms

RESYNC_S = 10.0
WINDOW_S = 180.0
PANIC_WINDOW_S = 60.0
DOWN_COOLDOWN_S = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one decision may go: growth and shrink factors, and tolerances as a fraction of the target."""

    rate_up: float = 2.0
    rate_down: float = 2.0
    tol_up: float = 0.1
    tol_down: float = 0.1


DEFAULTS = Limits()


def apa(current: int, value_per_pod: float, target: float, limits: Limits = DEFAULTS) -> int:
    """Replicas wanted for a per-pod mean against its target, same unit; a target of 0 or less keeps the count (A1)."""
    if target <= 0:
        return current
    ratio = value_per_pod / target
    if ratio > 1 + limits.tol_up:
        return min(math.ceil(current * ratio), math.ceil(limits.rate_up * current))
    if ratio < 1 - limits.tol_down:
        return max(math.ceil(current * ratio), math.floor(current / limits.rate_down))
    return current


def apa_multi(
    current: int, value_per_pod: float, targets: Sequence[float], low: int, high: int, limits: Limits = DEFAULTS
) -> int:
    """The largest of the proposals for several targets, each within the bounds (A4)."""
    return max(clamp(apa(current, value_per_pod, target, limits), low, high) for target in targets)


@dataclass(frozen=True, slots=True)
class Panic:
    """KPA's panic mode. ``inside`` forces it; None leaves it to the two window means.

    ``max_pods`` is the memory of the largest count in panic: the shipped controller always has 0 there (A2).
    """

    threshold: float = 2.0
    inside: bool | None = None
    max_pods: int = 0


AS_SHIPPED = Panic()


def kpa(
    current: int,
    stable: float,
    panic: float,
    target: float,
    *,
    limits: Limits = DEFAULTS,
    activation: int = 1,
    mode: Panic = AS_SHIPPED,
) -> int:
    """Replicas wanted by KPA as coded, from the two window means of the value.

    It divides the value by the target without multiplying by pods, so only a fleet-wide total gives a sensible answer;
    a per-pod mean shrinks an overloaded fleet (A2).
    """
    by_stable, by_panic = (_kpa_count(current, value, target, limits, activation) for value in (stable, panic))
    inside = mode.inside if mode.inside is not None else stable <= 0 or panic / stable > mode.threshold
    return max(mode.max_pods, by_stable, by_panic) if inside else by_stable


def _kpa_count(current: int, value: float, target: float, limits: Limits, activation: int) -> int:
    if target * (1 - limits.tol_down) <= value <= target * (1 + limits.tol_up):
        wanted = current
    else:
        wanted = math.ceil(value / target)
    up = max(1, math.ceil(limits.rate_up * current))
    down = math.floor(current / limits.rate_down)
    limited = clamp(wanted, down, up)
    return max(limited, activation) if activation > 1 and wanted > 0 else limited


@dataclass(frozen=True, slots=True)
class Window:
    """Values in time buckets, the last of each bucket; trimmed on write only, both ends included (A3)."""

    window_s: float
    granularity_s: float = 1.0
    buckets: tuple[tuple[int, float], ...] = ()

    def add(self, at_s: float, value: float) -> Window:
        """With one more value, and without the buckets that are too old for it."""
        index = math.floor(at_s / self.granularity_s)
        oldest = math.floor((at_s - self.window_s) / self.granularity_s)
        kept = tuple(bucket for bucket in self.buckets if oldest <= bucket[0] != index)
        return replace(self, buckets=(*kept, (index, value)))

    @property
    def values(self) -> tuple[float, ...]:
        """The kept values, oldest first."""
        return tuple(value for _, value in self.buckets)

    @property
    def latest_mean(self) -> float:
        """Plain mean of the buckets kept at the last write; raises ZeroDivisionError before the first."""
        return sum(self.values) / len(self.buckets)


Timed = tuple[tuple[float, float], ...]


def recent(history: Timed, at_s: float, age_s: float) -> tuple[float, ...]:
    """Values strictly newer than ``at_s - age_s`` (A3)."""
    return tuple(value for when, value in history if when > at_s - age_s)


def variance(values: Sequence[float]) -> float:
    """Population variance, in the values' unit squared; ``values`` must not be empty."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


@dataclass(frozen=True, slots=True)
class Stabiliser:
    """Recommendations of the longer window, and what they do to a new one (A5).

    ``as_coded`` takes the minimum of the down window; without it the maximum, as an HPA does.
    """

    up_window_s: float = 0.0
    down_window_s: float = DOWN_COOLDOWN_S
    as_coded: bool = True
    history: tuple[tuple[float, int], ...] = ()

    def step(self, at_s: float, current: int, wanted: int) -> tuple[int, Stabiliser]:
        """The stabilised count, and the memory for the next step."""
        oldest = at_s - max(self.up_window_s, self.down_window_s)
        history = (*(entry for entry in self.history if entry[0] > oldest), (at_s, wanted))
        return self._pick(history, at_s, current, wanted), replace(self, history=history)

    def _pick(self, history: tuple[tuple[float, int], ...], at_s: float, current: int, wanted: int) -> int:
        if wanted == current:
            return current
        window_s = self.up_window_s if wanted > current else self.down_window_s
        seen = [count for when, count in history if when > at_s - window_s] or [wanted]
        if self.as_coded:
            return max(seen) if wanted > current else min(seen)
        # An HPA never passes the present count while it calms a movement.
        return max(current, min(seen)) if wanted > current else min(current, max(seen))


def wakes(current: int, low: int, schedule_sets_min: bool) -> bool:
    """Whether anything is decided at all: at zero replicas with a non-zero minimum only a schedule starts it."""
    return current != 0 or low == 0 or schedule_sets_min


def clamp(count: int, low: int, high: int) -> int:
    """``count`` within ``[low, high]``."""
    return min(max(count, low), high)


class AibrixApa:
    """APA on the mean KV-cache use of the ready replicas, every 10 s over 180 s; no sample, no action.

    The current count is the one last asked for (``spec.replicas``), as the controller reads it.
    """

    interval_s = RESYNC_S
    KNOB: tuple[str, tuple[float, ...]] = ("target", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8))

    def __init__(self, terms: Terms, target: float = 0.5, as_coded: bool = True) -> None:
        self.name = "aibrix-apa" if as_coded else "aibrix-apa-hpa-like"
        self._terms = terms
        self._target = target
        self._window = Window(WINDOW_S)
        self._stabiliser = Stabiliser(as_coded=as_coded)

    def metric(self, one: ReplicaSignals) -> float:
        """What is averaged over replicas and time."""
        return one.kv_usage_ratio

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted now, within the terms' bounds."""
        low, high = self._terms.min_replicas, self._terms.max_replicas
        current, ready = signals.desired, signals.ready
        if not ready or not wakes(current, low, schedule_sets_min=False):
            return clamp(current, low, high)
        self._window = self._window.add(signals.at_s, sum(map(self.metric, ready)) / len(ready))
        wanted = clamp(apa(current, self._window.latest_mean, self._target), low, high)
        settled, self._stabiliser = self._stabiliser.step(signals.at_s, current, wanted)
        return clamp(settled, low, high)


class AibrixApaRunning(AibrixApa):
    """APA on running requests per ready replica instead of KV use."""

    KNOB: tuple[str, tuple[float, ...]] = ("target", (8.0, 16.0, 32.0, 64.0, 128.0))

    def __init__(self, terms: Terms, target: float = 32.0, as_coded: bool = True) -> None:
        super().__init__(terms, target, as_coded)
        self.name = self.name.replace("apa", "apa-running")

    def metric(self, one: ReplicaSignals) -> float:
        """Requests in the batch."""
        return float(one.running)


class AibrixKpa:
    """KPA as coded, on the fleet's total of running requests: the only kind of metric that it is right for (A2)."""

    interval_s = RESYNC_S
    KNOB: tuple[str, tuple[float, ...]] = ("target", (8.0, 16.0, 32.0, 64.0, 128.0))

    def __init__(self, terms: Terms, target: float = 32.0) -> None:
        self.name = "aibrix-kpa"
        self._terms = terms
        self._target = target
        self._stable, self._panic = Window(WINDOW_S), Window(PANIC_WINDOW_S)
        self._stabiliser = Stabiliser()

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted now, within the terms' bounds."""
        low, high = self._terms.min_replicas, self._terms.max_replicas
        current = signals.desired
        if not signals.ready or not wakes(current, low, schedule_sets_min=False):
            return clamp(current, low, high)
        total = float(sum(one.running for one in signals.ready))
        self._stable = self._stable.add(signals.at_s, total)
        self._panic = self._panic.add(signals.at_s, total)
        wanted = kpa(current, self._stable.latest_mean, self._panic.latest_mean, self._target)
        settled, self._stabiliser = self._stabiliser.step(signals.at_s, current, clamp(wanted, low, high))
        return clamp(settled, low, high)
