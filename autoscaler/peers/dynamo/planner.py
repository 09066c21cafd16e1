"""The planner at work: an aggregated engine in SLA mode, both loops on (reference peers 15.1).

Every 180 s the predicted demand over an engine's rate sets a floor; every 5 s the load loop moves one replica. The
engine's model is the pool's step-time law itself, which is kinder to the planner than its own regression.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from autoscaler.peers.dynamo.budget import Costs, guard, throughput_step
from autoscaler.peers.dynamo.load import HELD, Capability, Engine, Sla, decide, sla_signal
from autoscaler.peers.dynamo.predictors import Constant, Kalman, Predictor, demand_rps
from autoscaler.peers.dynamo.regression import Load, Model, Pass, agg_rate, replicas_for
from autoscaler.peers.rule import FleetSignals, ReplicaSignals, Terms

LOAD_S = 5.0
THROUGHPUT_S = 180.0


class Dynamo:
    """The planner on ready replicas; its predictor is ``kalman`` or ``constant``, upstream's default ARIMA is not here.

    ``sla_share`` is the part of the promise that is configured as its targets: the planner compares estimates of means
    with them, so operators who promise a percentile configure less. Replicas that start or drain are a scale in
    progress, during which the load loop holds; the later rule that cancels starting replicas is not used.
    """

    interval_s = LOAD_S
    KNOB: tuple[str, tuple[float, ...]] = ("sla_share", (0.4, 0.6, 0.8, 1.0, 1.25))

    def __init__(
        self, terms: Terms, predictor: Literal["kalman", "constant"] = "kalman", sla_share: float = 1.0
    ) -> None:
        self.name = f"dynamo-{predictor}"
        self._terms = terms
        self._sla = Sla(terms.ttft_target_s * sla_share, terms.tpot_target_s * sla_share)
        self._costs = Costs((1,), (terms.min_replicas,), -1, terms.max_replicas)
        self._capability = Capability(max_kv=terms.kv_tokens, max_batched=terms.max_batched_tokens)
        kinds: dict[str, type[Kalman] | type[Constant]] = {"kalman": Kalman, "constant": Constant}
        self._series: tuple[Predictor, Predictor, Predictor] = (
            kinds[predictor](),
            kinds[predictor](),
            kinds[predictor](),
        )
        self._lengths: tuple[float, float] | None = None
        self._arrived = 0.0
        self._last_s: float | None = None
        self._next_throughput_s: float | None = None
        self._floor = terms.min_replicas

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted now, within the terms' bounds."""
        self._observe(signals)
        if self._next_throughput_s is not None and signals.at_s >= self._next_throughput_s:
            self._throughput(signals.desired)
            self._next_throughput_s = signals.at_s + THROUGHPUT_S
        low, high = self._terms.min_replicas, self._terms.max_replicas
        proposal, reason = decide(
            self._engines(signals), len(signals.ready), signals.desired, lambda engines: self._signal(signals, engines)
        )
        if reason in HELD:
            return min(max(signals.desired, low), high)
        (result,), _ = guard((signals.desired,), (max(proposal, self._floor),), self._costs)
        return min(max(result, low), high)

    def _observe(self, signals: FleetSignals) -> None:
        """Count arrivals since the last look, and keep the lengths that were last seen."""
        if self._last_s is None:
            self._next_throughput_s = signals.at_s + THROUGHPUT_S
        else:
            self._arrived += signals.arrivals_per_s * (signals.at_s - self._last_s)
        self._last_s = signals.at_s
        if signals.mean_input_tokens is not None and signals.mean_output_tokens is not None:
            self._lengths = signals.mean_input_tokens, signals.mean_output_tokens

    def _throughput(self, current: int) -> None:
        """Predict the next interval and store the floor; an idle interval repeats the last lengths (D3)."""
        lengths = self._lengths or (0.0, 0.0)
        if self._arrived > 0 or self._series[0].predict() > 0:
            for series, value in zip(self._series, (self._arrived, *lengths), strict=True):
                series.add(value)
        self._arrived = 0.0
        requests, isl, osl = (series.predict() for series in self._series)
        load = Load(isl, osl, self._sla.ttft_s, self._sla.itl_s, self._terms.max_batched_tokens)
        rate = agg_rate(self._model(isl, osl), load, self._batch_limit(isl, osl))
        raw = replicas_for(demand_rps(requests, THROUGHPUT_S), rate.rps, self._terms.min_replicas)
        (self._floor,) = throughput_step((current,), (raw,), self._costs).target

    def _batch_limit(self, isl: float, osl: float) -> float:
        """Requests that fit into the cache, and the engine's own limit."""
        context = isl + osl / 2
        return min(self._terms.kv_tokens / context if context > 0 else math.inf, self._terms.max_num_seqs)

    def _signal(self, signals: FleetSignals, engines: Sequence[Engine]) -> str | None:
        if self._lengths is None:
            return None
        running = sum(one.running for one in signals.ready) / len(signals.ready)
        return sla_signal("agg", engines, self._capability, self._model(*self._lengths, running), self._sla)

    def _engines(self, signals: FleetSignals) -> list[Engine]:
        return [self._engine(one) for one in signals.ready]

    def _engine(self, one: ReplicaSignals) -> Engine:
        isl = self._lengths[0] if self._lengths else 0.0
        kv = one.kv_usage_ratio * self._terms.kv_tokens
        return Engine(one.waiting * isl, kv, 0.0, Pass(decode_requests=one.running, kv_tokens=kv))

    def _model(self, isl: float, osl: float, running: float = 0.0) -> Model:
        """The step-time law; in a steady state each running request brings ``isl/osl`` prefill tokens per pass."""
        terms = self._terms
        return Model(
            per_prefill_s=terms.p_ms_per_1k_prefill_tokens / 1e6,
            per_request_s=terms.b_ms_per_seq / 1e3,
            per_kv_s=terms.k_ms_per_1k_kv_tokens / 1e6,
            base_s=terms.a_ms / 1e3,
            mean_isl=isl,
            mean_prefill_tokens=running * isl / osl if osl > 0 else 0.0,
            mean_requests=running,
            mean_kv_per_request=isl + osl / 2,
        )
