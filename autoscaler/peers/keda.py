"""KEDA at work on a fleet, in two settings: the usual trigger on running requests, and the SLO-aware law.

Both end in a Kubernetes HPA with a metric of type AverageValue, which reads the metric at each of its own syncs;
KEDA itself acts only at zero. Parameters: peers.md 5.2, 9 and 15.1.
"""

from __future__ import annotations

import math
from collections import deque
from typing import ClassVar

from autoscaler.peers.hpa import Follower
from autoscaler.peers.hpa_behavior import Behavior, Rules, Step
from autoscaler.peers.hpa_metrics import from_average_value
from autoscaler.peers.keda_state import MetricUnavailable, ScaledObject, execute, prometheus_value
from autoscaler.peers.rule import FleetSignals, Terms

STACK_BEHAVIOR = Behavior(up=Rules((Step("Pods", 1, 60.0),)), down=Rules((Step("Pods", 1, 60.0),), 300.0))
"""The limits that vLLM's production-stack operator writes into its ScaledObjects."""

SLO_BEHAVIOR = Behavior(
    up=Rules((Step("Percent", 100, 60.0), Step("Pods", 4, 60.0)), 30.0),
    down=Rules((Step("Pods", 1, 120.0),), 180.0),
)
"""The limits of the SLO-aware recipe."""

RATIO_CAP = 2.0
RECORD_S = 15.0
RECORDS = 3
"""The recipe records its ratio every 15 s and averages it over 45 s."""


class Waker:
    """KEDA's part at zero; above it nothing changes."""

    def __init__(self, terms: Terms, cooldown_s: float) -> None:
        self._spec = ScaledObject(min=terms.min_replicas, cooldown_s=cooldown_s)
        self._created_s: float | None = None
        self._last_active_s: float | None = None

    def woken(self, signals: FleetSignals) -> int:
        """Replicas after KEDA's pass over the triggers."""
        now_s = signals.at_s
        self._created_s = now_s if self._created_s is None else self._created_s
        outcome = execute(
            self._spec,
            signals.desired,
            active=_traffic(signals),
            last_active_age_s=None if self._last_active_s is None else now_s - self._last_active_s,
            created_age_s=now_s - self._created_s,
        )
        if outcome.stamps_last_active:
            self._last_active_s = now_s
        return outcome.replicas


class Keda:
    """KEDA as the production stack sets it up: ``running`` requests per replica, one replica a minute either way.

    Waiting requests do not count, as upstream. ``tokens_per_s`` adds its triggers on prompt and generated tokens per
    replica (100 each upstream, far below what a large GPU does); None leaves them out. With ``ignore_null`` an empty
    query is zero, upstream's default, and the fleet goes to its minimum while nothing is scraped.
    """

    KNOB: ClassVar[tuple[str, tuple[float, ...]]] = ("running", (5.0, 8.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0))
    name = "keda"
    interval_s = 15.0

    def __init__(
        self,
        terms: Terms,
        running: float = 5.0,
        *,
        tokens_per_s: float | None = None,
        ignore_null: bool = True,
        cooldown_s: float = 1800.0,
    ) -> None:
        self._running = running
        self._tokens_per_s = tokens_per_s
        self._ignore_null = ignore_null
        self._waker = Waker(terms, cooldown_s)
        self._follower = Follower(terms, STACK_BEHAVIOR)

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted at this sync."""
        woken = self._waker.woken(signals)
        if woken == 0 or signals.desired == 0:
            return woken
        return self._follower.follow(signals.desired, self._wanted(signals), signals.at_s)

    def _wanted(self, signals: FleetSignals) -> int | None:
        series = [float(sum(replica.running for replica in signals.ready))] if signals.ready else []
        try:
            running = prometheus_value(series, ignore_null=self._ignore_null)
        except MetricUnavailable:
            return None
        metrics = [(running, self._running)]
        if self._tokens_per_s is not None:
            metrics += [(rate, self._tokens_per_s) for rate in _token_rates(signals)]
        return max(_average_value(signals.desired, value, target) for value, target in metrics)


class KedaSlo:
    """The SLO-aware law: replicas follow P90 latency over its target, discounted for replicas still starting.

    It reads measured latency. The published figures were made with a router's *predicted* latency, which rises a
    little earlier; the recipe names measured latency as its fallback. The latencies come as P90 over one minute.
    ``high`` is the ratio above which it grows; the ratio below which it shrinks keeps its distance (0.40 to 0.55).
    """

    KNOB: ClassVar[tuple[str, tuple[float, ...]]] = ("high", (0.45, 0.55, 0.65, 0.75, 0.85, 0.95))
    name = "keda-slo"
    interval_s = 15.0

    def __init__(self, terms: Terms, high: float = 0.55) -> None:
        self._terms = terms
        self._high = high
        self._low = high * 0.40 / 0.55
        self._recorded: deque[float] = deque(maxlen=RECORDS)
        self._follower = Follower(terms, SLO_BEHAVIOR)

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted at this sync."""
        self._recorded.append(min(latency_ratio(signals, self._terms), RATIO_CAP))
        ratio = sum(self._recorded) / len(self._recorded)
        asked = slo_replicas(signals.desired, len(signals.ready), ratio, self._high, self._low)
        wanted = _average_value(signals.desired, float(asked), 1.0)
        return self._follower.follow(signals.desired, wanted, signals.at_s)


def latency_ratio(signals: FleetSignals, terms: Terms) -> float:
    """The worse of P90 TTFT and P90 TPOT over its target. Nothing measured counts as zero, as in the recipe."""
    ttft = (signals.ttft_p90_s or 0.0) / terms.ttft_target_s
    tpot = (signals.tpot_p90_s or 0.0) / terms.tpot_target_s
    return max(ttft, tpot)


def slo_replicas(replicas: int, ready: int, ratio: float, high: float = 0.55, low: float = 0.40) -> int:
    """Replicas by the SLO-aware law (peers.md 5.2).

    Worked example: 4 replicas of which 2 are ready, ratio 1.1: 1.1 · 2/4 = 0.55 is on the threshold, so 4 and not 8.
    With fewer ready the discounted ask falls below the present number; only the scale-in window holds it then.
    """
    discount = ready / replicas if 0 < ready < replicas else 1.0
    if ratio > high:
        return replicas + math.ceil(replicas * (ratio * discount / high - 1) - 1e-9)
    if ratio < low:
        return replicas - math.floor(replicas * (1 - ratio / low) + 1e-9)
    return replicas


def _average_value(replicas: int, value: float, target: float) -> int:
    return from_average_value(replicas, round(1000 * target), [round(1000 * value)]).replicas


def _token_rates(signals: FleetSignals) -> tuple[float, float]:
    return (
        signals.arrivals_per_s * (signals.mean_input_tokens or 0.0),
        signals.arrivals_per_s * (signals.mean_output_tokens or 0.0),
    )


def _traffic(signals: FleetSignals) -> bool:
    busy = any(replica.running or replica.waiting for replica in signals.replicas)
    return busy or signals.queued > 0 or signals.arrivals_per_s > 0
