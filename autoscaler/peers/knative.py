"""Knative's pod autoscaler at work on a fleet: requests in flight per replica, a 60 s window and a 6 s panic window.

The load is what runs and waits in the replicas plus what the activator buffers in front of them. Parameters:
peers.md 3 and 15.1.
"""

from __future__ import annotations

from typing import ClassVar

from autoscaler.peers.knative_kpa import KpaSpec, KpaState, scale, start
from autoscaler.peers.knative_windows import Buckets
from autoscaler.peers.knative_zero import Active, Revision, ZeroSpec, settle
from autoscaler.peers.rule import FleetSignals, Terms

TARGET_UTILIZATION = 0.7
"""Knative aims at this part of what a replica can bear."""

PANIC_SHARE = 0.1
"""The panic window as a part of the stable window."""


class Knative:
    """KPA on concurrency. ``target`` is the requests in flight per replica aimed at, after the utilisation of 0.7.

    The panic threshold is 2.0. Its own metrics reach it every second; here they come as the harness scrapes them,
    and the tick of 2 s is also the width of a bucket.
    """

    KNOB: ClassVar[tuple[str, tuple[float, ...]]] = ("target", (8.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0))
    name = "knative"
    interval_s = 2.0

    def __init__(self, terms: Terms, target: float = 16.0, *, stable_window_s: float = 60.0) -> None:
        self._spec = KpaSpec(target, target / TARGET_UTILIZATION, stable_window_s=stable_window_s)
        self._bounds = ZeroSpec(terms.min_replicas, terms.max_replicas, stable_window_s=stable_window_s)
        self._stable = Buckets(stable_window_s, self.interval_s)
        self._panic = Buckets(stable_window_s * PANIC_SHARE, self.interval_s)
        self._state: KpaState | None = None
        self._revision = Revision(Active.ACTIVE, 0.0, terms.min_replicas)
        self._since_s = 0.0
        self._proxied_since_s: float | None = None

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted at this tick."""
        now_s, ready = signals.at_s, len(signals.ready)
        if self._state is None:
            self._state, self._since_s = start(ready, now_s), now_s
        load = signals.queued + sum(replica.running + replica.waiting for replica in signals.ready)
        self._stable.record(now_s, load)
        self._panic.record(now_s, load)
        stable, panic = self._stable.average(now_s), self._panic.average(now_s)
        answer, self._state = scale(self._spec, self._state, ready=ready, stable=stable, panic=panic, now_s=now_s)
        if answer is None:
            return signals.desired
        revision = self._observe(signals, answer.desired, answer.excess_burst_capacity < 0)
        outcome = settle(self._bounds, revision, answer.desired)
        return outcome.replicas if outcome.patched else signals.desired

    def _observe(self, signals: FleetSignals, wanted: int, buffering: bool) -> Revision:
        """The revision's condition: inactive once nothing was wanted for a stable window, else by what is ready."""
        now_s = signals.at_s
        state = self._condition(bool(signals.ready), wanted, now_s)
        if state is not self._revision.state:
            self._since_s = now_s
        if wanted > 0 and not buffering:
            self._proxied_since_s = None
        elif self._proxied_since_s is None:
            self._proxied_since_s = now_s
        proxied_s = 0.0 if self._proxied_since_s is None else now_s - self._proxied_since_s
        self._revision = Revision(
            state, now_s - self._since_s, signals.desired, proxy_mode=proxied_s > 0, proxy_for_s=proxied_s
        )
        return self._revision

    def _condition(self, serving: bool, wanted: int, now_s: float) -> Active:
        was = self._revision.state
        if wanted > 0:
            return Active.ACTIVE if serving else Active.ACTIVATING
        long_enough = was is Active.ACTIVE and now_s - self._since_s >= self._bounds.stable_window_s
        if was is Active.INACTIVE or long_enough:
            return Active.INACTIVE
        return Active.ACTIVE if serving else was
