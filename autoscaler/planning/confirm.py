"""A plan held against the simulator, request by request: does the fleet keep its promise in the busiest minutes?

The closed forms that size a plan are means. Bursts within the second, prefills that stall decodes and lengths that vary
are in the simulator only, so it says how many replicas the busiest ten minutes really need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autoscaler.planning.carry import Asked, Carried
from autoscaler.planning.traffic import Array, Traffic
from autoscaler.policy import Routing
from runtime.pool import StepTime
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.run import FixedFleet, row, run
from runtime.traces import Trace

WINDOW_S = 600.0
MOST_REQUESTS = 200_000
"""A window of more requests than this is cut short: a fleet that carries so many needs no longer look."""

FURTHEST = 2.0
"""Fleets of more than so many times the plan are not tried."""

ROUTERS = {Routing.BY_LOAD: "least-requests", Routing.BLIND: "random"}
"""What the simulator sends requests by."""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the planned fleet attains, and how many replicas attain the promise; None where twice the plan does not.

    ``run`` is the planned fleet's row, with the names of a backtest's.
    """

    planned: int
    enough: int | None
    target: float
    run: dict[str, Any]

    @property
    def kept(self) -> bool:
        """Whether the plan keeps the promise as it is."""
        return self.enough is not None and self.enough <= self.planned

    def usd_per_million(self, planned_usd: float) -> float | None:
        """What the plan's USD per million tokens become if all the time takes as many more replicas, or fewer."""
        return None if self.enough is None else planned_usd * self.enough / self.planned


def busiest(trace: Trace, step: StepTime) -> Trace:
    """The ten minutes with the most work for that step time, or all of a shorter trace."""
    if trace.duration_s <= WINDOW_S:
        return trace
    inputs, outputs = (x.astype(np.float64) for x in (trace.input_tokens, trace.output_tokens))
    reading = step.b_ms_per_seq + step.k_ms_per_1k_kv_tokens * (inputs + outputs / 2) / 1000
    done_ms = np.concatenate([[0.0], np.cumsum(step.p_ms_per_1k_prefill_tokens * inputs / 1000 + outputs * reading)])
    ends = np.searchsorted(trace.arrival_s, trace.arrival_s + WINDOW_S)
    begin = int(np.argmax(done_ms[ends] - done_ms[:-1]))
    part = trace.take(slice(begin, min(int(ends[begin]), begin + MOST_REQUESTS)))
    return replace(part, arrival_s=part.arrival_s - part.arrival_s[0])


def drawn(traffic: Traffic, step: StepTime, length_cv: float, seed: int) -> Trace:
    """Poisson arrivals at the rate of the step with the most work, lengths lognormal around its means."""
    at = int(np.argmax(traffic.erlangs(step)))
    rps = float(traffic.requests[at])
    random = np.random.default_rng(seed)
    count = max(2, int(min(rps * WINDOW_S, MOST_REQUESTS)))
    arrivals = np.cumsum(random.exponential(1 / rps, count))
    inputs, outputs = (float(x[at]) / rps for x in (traffic.input_tokens, traffic.output_tokens))
    lengths = [_lengths(random, mean, length_cv, count).astype(np.int32) for mean in (inputs, outputs)]
    return Trace(traffic.name, arrivals - arrivals[0], lengths[0], lengths[1])


def _lengths(random: np.random.Generator, mean: float, cv: float, count: int) -> Array:
    variance = np.log1p(cv**2)
    return np.maximum(1.0, np.rint(random.lognormal(np.log(mean) - variance / 2, np.sqrt(variance), count)))


def confirm(
    carried: Carried, trace: Trace, asked: Asked, seed: int, progress: Progress = lambda share: None
) -> Confirmed:
    """Play the trace on the plan's peak fleet, then look for the smallest one that keeps the promise.

    ``progress`` hears which share of the work is done, roughly.
    """
    planned, target = carried.peak_replicas, asked.slo.attainment
    rows: dict[int, dict[str, Any]] = {}

    def keeps(count: int) -> bool:
        if count not in rows:
            rows[count] = played(carried, trace, asked, count, seed)
            progress(min(1.0, len(rows) / 6))
        return bool((rows[count]["attainment"] or 0.0) >= target)

    enough = smallest(planned, int(np.ceil(FURTHEST * planned)), keeps)
    return Confirmed(planned, enough, target, rows[planned])


def smallest(planned: int, most: int, keeps: Callable[[int], bool]) -> int | None:
    """The least count up to ``most`` that keeps the promise, as if more never kept less; None where ``most`` does not.

    Looks around ``planned`` first, in steps that double.
    """
    low, high, step = planned - 1, planned, 1
    if keeps(planned):
        while low >= 1 and keeps(low):
            low, high, step = low - step, low, 2 * step
        low = max(low, 0)
    else:
        while not keeps(high):
            if high >= most:
                return None
            low, high, step = high, min(most, high + step), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high


def played(carried: Carried, trace: Trace, asked: Asked, count: int, seed: int) -> dict[str, Any]:
    """The trace on so many replicas, in one row."""
    slo, pool = asked.slo, carried.candidate.pool
    target = LatencyTarget(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
    prefix, tokens = trace.prefix, trace.prefix_tokens
    if asked.cached > 0:
        # One prefix for all, as long as the share of each prompt that the plan takes to be cached.
        prefix = np.ones(trace.requests, np.int32)
        tokens = (asked.cached * trace.input_tokens).astype(np.int32)
    fleet = FixedFleet((pool,) * count, target, ROUTERS[asked.routing], seed=seed)
    return row(run(trace, fleet, prefixes=prefix, prefix_tokens=tokens))
