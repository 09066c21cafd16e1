"""The Kubernetes HPA v2 at work on a fleet: requests per pod against an average value, every 15 seconds.

The metric is requests running plus waiting, the usual choice for LLM engines behind a metrics adapter. A replica
that is not ready yet is a running pod without a sample: the HPA calls it *missing* and counts it as idle when it
grows and as on target when it shrinks (peers.md 1 and 15.1).
"""

from __future__ import annotations

from typing import ClassVar

from autoscaler.peers.hpa_behavior import Behavior, Memory, sync
from autoscaler.peers.hpa_metrics import from_pods
from autoscaler.peers.hpa_pods import MetricsError, Pod, Sample
from autoscaler.peers.rule import FleetSignals, Terms


class Follower:
    """An HPA's memory: turns the answers of metrics into replicas within bounds, windows and rates."""

    def __init__(self, terms: Terms, behavior: Behavior | None) -> None:
        self.least = max(1, terms.min_replicas)
        self.most = terms.max_replicas
        self._behavior = behavior
        self._memory = Memory()

    def follow(self, current: int, wanted: int | None, at_s: float) -> int:
        """Replicas to set now; without an answer (None) the fleet is held, though within its bounds."""
        if wanted is None:
            return min(max(current, self.least), self.most)
        limited, self._memory = sync(current, wanted, self.least, self.most, self._behavior, self._memory, at_s)
        return limited.replicas


class Hpa:
    """HPA v2 on running + waiting requests per pod.

    ``target`` is requests per replica. Without ``behavior`` the controller's old limits hold (double or 4, and
    300 s before a scale-in); ``Behavior()`` gives those that the API server fills in when one is set.
    """

    KNOB: ClassVar[tuple[str, tuple[float, ...]]] = ("target", (8.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0))
    interval_s = 15.0

    def __init__(self, terms: Terms, target: float = 16.0, behavior: Behavior | None = None) -> None:
        self.name = "hpa" if behavior is None else "hpa-behavior"
        self._target_milli = round(1000 * target)
        self._follower = Follower(terms, behavior)

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted at this sync."""
        return self._follower.follow(signals.desired, self._wanted(signals), signals.at_s)

    def _wanted(self, signals: FleetSignals) -> int | None:
        pods = [Pod(str(index), ready=replica.ready) for index, replica in enumerate(signals.replicas)]
        samples = {
            str(index): Sample(1000 * (replica.running + replica.waiting))
            for index, replica in enumerate(signals.replicas)
            if replica.ready
        }
        try:
            return from_pods(signals.desired, self._target_milli, samples, pods).replicas
        except MetricsError:
            return None
