"""Knative's last step: bounds, the initial scale, and when the last pod may really go.

A revision goes to zero in stages, so that no request meets nobody: it is marked inactive after a stable window
without load, the activator is put in its path, and only after a grace period is the count written. Formulas:
``reconciler/autoscaling/kpa/scaler.go``, Knative serving; peers.md 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ACTIVATION_BUFFER_S = 30.0
"""On top of the progress deadline before an activation counts as failed."""

UNKNOWN = -1
"""Replicas where there is no metric yet."""


class Active(StrEnum):
    """The revision's Active condition: true, false, or not known yet."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ACTIVATING = "activating"


class Reach(StrEnum):
    """Whether a route points to the revision."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


class Probe(StrEnum):
    """Answer to the question whether the activator is in the path."""

    IN_PATH = "in-path"
    NOT_IN_PATH = "not-in-path"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ZeroSpec:
    """Bounds (``max_scale`` 0: none) and times, seconds; the defaults are the product's."""

    min_scale: int = 0
    max_scale: int = 0
    initial_scale: int = 1
    stable_window_s: float = 60.0
    grace_s: float = 30.0
    retention_s: float = 0.0
    progress_deadline_s: float = 600.0
    target_burst_capacity: float = 211.0
    enable_zero: bool = True


@dataclass(frozen=True, slots=True)
class Revision:
    """How a revision stands now: its condition and for how long, and how long the activator has been in its path."""

    state: Active
    state_age_s: float
    replicas: int
    reach: Reach = Reach.UNKNOWN
    initial_reached: bool = True
    proxy_mode: bool = False
    proxy_for_s: float = 0.0
    probe: Probe = Probe.IN_PATH


@dataclass(frozen=True, slots=True)
class Outcome:
    """Replicas (−1: unknown), whether they are written, delayed re-evaluations, and background probes started."""

    replicas: int
    patched: bool
    requeues: int = 0
    async_probes: int = 0


def settle(spec: ZeroSpec, revision: Revision, wanted: int) -> Outcome:
    """What is done about the wanted number of pods (−1: no metric yet)."""
    if wanted < 0 and revision.state is not Active.ACTIVATING:
        return Outcome(wanted, False)
    wanted = _bounded(spec, revision, wanted)
    if wanted == 0 and not spec.enable_zero:
        wanted = 1
    if wanted != 0:
        return Outcome(wanted, wanted != revision.replicas)
    return _towards_zero(spec, revision)


def _bounded(spec: ZeroSpec, revision: Revision, wanted: int) -> int:
    least = 0
    if revision.reach is not Reach.UNREACHABLE:
        initial = spec.initial_scale if spec.initial_scale > 1 and not revision.initial_reached else 0
        least = max(spec.min_scale, initial)
    return max(least, min(wanted, spec.max_scale) if spec.max_scale else wanted)


def _towards_zero(spec: ZeroSpec, revision: Revision) -> Outcome:
    written = Outcome(0, revision.replicas != 0)
    if revision.state is Active.ACTIVATING:
        failed = revision.state_age_s >= spec.progress_deadline_s + ACTIVATION_BUFFER_S
        return written if failed else Outcome(UNKNOWN, False, requeues=1)
    if revision.state is Active.ACTIVE:
        if revision.state_age_s < spec.stable_window_s:
            return Outcome(1, revision.replicas != 1, requeues=1)
        return Outcome(0, False, requeues=int(revision.proxy_mode))
    if spec.target_burst_capacity >= 0 and revision.probe is not Probe.IN_PATH:
        return Outcome(0, False, async_probes=1)
    return written if _may_go(spec, revision) else Outcome(0, False, requeues=1)


def _may_go(spec: ZeroSpec, revision: Revision) -> bool:
    """Whether the activator has covered for the revision long enough, and its last pod was kept long enough."""
    retention_s = 0.0 if revision.reach is Reach.UNREACHABLE else spec.retention_s
    inactive_s = revision.state_age_s
    covered = revision.proxy_for_s >= spec.grace_s and inactive_s >= retention_s
    return covered or inactive_s >= max(spec.grace_s, retention_s)
