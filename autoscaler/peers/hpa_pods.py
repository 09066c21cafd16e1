"""Which pods count: the Kubernetes HPA's view of the pods behind a metric, and what each of them requests.

The HPA divides by pods, so which pods it divides by decides as much as the metric does. Formulas: ``groupPods`` and
``calculatePodRequests`` of the horizontal pod autoscaler, Kubernetes 1.36. Ages are seconds before now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Problem(StrEnum):
    """Why no number of replicas can be computed; the HPA then holds."""

    NO_SAMPLES = "no-samples"
    NO_MATCHING_PODS = "no-matching-pods"
    NO_REQUEST = "no-request"
    NO_CONTAINER = "no-container"


class MetricsError(Exception):
    """A metric that gives no proposal, and which problem it has."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"metric unusable: {problem.value}")
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric of one pod, in milli-units, measured ``age_s`` ago over ``window_s``."""

    value_milli: int
    age_s: float = 0.0
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as the API shows it. ``ready`` is None without a Ready condition, ``start_age_s`` None before the start."""

    name: str
    phase: str = "Running"
    ready: bool | None = True
    start_age_s: float | None = None
    transition_age_s: float | None = None
    deleted: bool = False
    request_milli: int | None = None


@dataclass(frozen=True, slots=True)
class Startup:
    """How long CPU samples of a starting pod are distrusted, seconds (API server defaults)."""

    cpu_init_s: float = 300.0
    readiness_delay_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Groups:
    """Pods by what their samples are worth: ``ready`` is a count, the rest are names."""

    ready: int = 0
    unready: frozenset[str] = field(default=frozenset())
    missing: frozenset[str] = field(default=frozenset())
    ignored: frozenset[str] = field(default=frozenset())


def group(pods: Sequence[Pod], samples: Mapping[str, Sample], resource: str, startup: Startup) -> Groups:
    """Sort pods into ready, unready (sample not trusted), missing (no sample) and ignored (gone or failed)."""
    kinds = {pod.name: _kind(pod, samples.get(pod.name), resource, startup) for pod in pods}

    def named(kind: str) -> frozenset[str]:
        return frozenset(name for name, found in kinds.items() if found == kind)

    return Groups(len(named("ready")), named("unready"), named("missing"), named("ignored"))


def _kind(pod: Pod, sample: Sample | None, resource: str, startup: Startup) -> str:
    if pod.deleted or pod.phase == "Failed":
        return "ignored"
    if pod.phase == "Pending":
        return "unready"
    if sample is None:
        return "missing"
    return "unready" if resource == "cpu" and _starting(pod, sample, startup) else "ready"


def _starting(pod: Pod, sample: Sample, startup: Startup) -> bool:
    """Whether the pod's CPU is that of its start. Only CPU asks: other metrics do not rise while a pod starts."""
    if pod.ready is None or pod.start_age_s is None or pod.transition_age_s is None:
        return True
    if pod.start_age_s < startup.cpu_init_s:
        return not pod.ready or pod.transition_age_s < sample.age_s + sample.window_s
    return not pod.ready and pod.transition_age_s + startup.readiness_delay_s > pod.start_age_s


@dataclass(frozen=True, slots=True)
class Container:
    """What one container asks for, milli-units; ``sidecar`` marks an init container that keeps running."""

    name: str
    request_milli: int | None
    sidecar: bool = False


def request_of_pod(
    containers: Sequence[Container],
    init_containers: Sequence[Container] = (),
    *,
    only: str | None = None,
    pod_request_milli: int | None = None,
    pod_level: bool = False,
) -> int:
    """The request that utilisation is measured against, milli-units.

    A pod-level request wins where the feature is on, except over a metric of one container. Raises
    ``MetricsError`` for a container without a request and for a container that is not there.
    """
    if pod_level and only is None and pod_request_milli is not None:
        return pod_request_milli
    running = [*containers, *(container for container in init_containers if container.sidecar)]
    chosen = [container for container in running if only is None or container.name == only]
    if only is not None and not chosen:
        raise MetricsError(Problem.NO_CONTAINER)
    requests = [container.request_milli for container in chosen]
    if None in requests:
        raise MetricsError(Problem.NO_REQUEST)
    return sum(request for request in requests if request is not None)
