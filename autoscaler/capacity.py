"""What comes, in erlangs, and what one replica can carry of it: DESIGN 4, "Work" and "Capacity".

Everything here is closed-form and in means. The TTFT limit alone depends on how many replicas share the load
(``autoscaler.queueing``); the others are those of one replica, however many there are.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

from autoscaler.learning.law import Learned, corrected
from autoscaler.policy import Routing, Slo
from autoscaler.queueing import STABLE, Queue
from collectors.observation import Observation
from runtime.pool import Pool

KV_FILL = 0.9
"""Mean share of the KV blocks that may be in use: what is above is for fluctuation, before preemptions begin.
"""

FLOOR = 0.05
"""Smallest utilisation that is sized for. A target that needs less is out of the pool's reach at any size."""

STAFFING_BETA = 1.0
"""Standard deviations of the number of requests in service that are staffed for: the noise below the sampling
step.
"""


@dataclass(frozen=True, slots=True)
class RhoMax:
    """The erlangs that one replica may carry, and which limit says so.

    ``limits`` holds every limit that is known: tpot, kv, seqs, ttft, stability. ``sequences_per_erlang`` is
    the mean number of requests in service per erlang of a replica by itself, None where request lengths are unknown.
    ``configured`` is what the pool's own figures alone would say, where what was learned says something else.
    ``queue`` is what replicas have in common, None where each has its own: ``value`` is that of a replica by itself
    until ``among`` says of how many.
    """

    value: float
    binding: str
    limits: Mapping[str, float]
    sequences_per_erlang: float | None = None
    configured: RhoMax | None = None
    queue: Queue | None = None

    def among(self, replicas: int) -> RhoMax:
        """The same where so many replicas share the load."""
        if self.queue is None:
            return self
        limits = {**self.limits, "ttft": self.queue.limit(replicas)}
        value, binding = _least(limits, self.queue.times)
        configured = None if self.configured is None else self.configured.among(replicas)
        return replace(self, value=value, binding=binding, limits=limits, configured=configured)

    def carries(self, erlangs: float, replicas: int) -> bool:
        """Whether so many replicas carry a load together: ``erlangs <= replicas * among(replicas).value``, at the cost
        of one look at the queue.
        """
        each = erlangs / replicas - 1e-9
        if self.queue is None:
            return each <= self.value
        others = min(limit for name, limit in self.limits.items() if name != "ttft")
        return each <= FLOOR / self.queue.times or (each <= others and self.queue.meets(each, replicas))


def mean_work_ms(observation: Observation, pool: Pool) -> float | None:
    """Mean work of the requests seen in the interval, ms, or None where lengths are unknown.

    With the second moment of the output lengths the mean of ``O·(I + O/2)`` is exact for independent lengths;
    without it O² is taken as the square of the mean. Cached prompt tokens cost no prefill, but decode reads
    them all the same.
    """
    length_in, length_out = observation.mean_input_tokens, observation.mean_output_tokens
    if length_in is None or length_out is None:
        return None
    step = pool.step
    second = observation.output_tokens_second_moment
    squared = length_out**2 if second is None else second
    decode = step.b_ms_per_seq * length_out
    reading = step.k_ms_per_1k_kv_tokens * (length_in * length_out + squared / 2) / 1000
    return step.p_ms_per_1k_prefill_tokens * length_in * _uncached(observation) / 1000 + decode + reading


def offered_erlangs(observation: Observation, pool: Pool, work_ms: float | None = None) -> float | None:
    """Work arriving per second, erlangs; None where it cannot be known.

    Arrivals already count what was served, the growth of the queues and what was rejected, so nothing is
    added to them. ``work_ms`` is a smoothed mean work per request, which is steadier than that of one
    interval.
    """
    if observation.arrivals_per_s is None:
        return None
    if observation.arrivals_per_s <= 0:
        return 0.0
    work = mean_work_ms(observation, pool) if work_ms is None else work_ms
    return None if work is None else observation.arrivals_per_s * work / 1000


def rho_max(
    pool: Pool,
    slo: Slo,
    mean_input_tokens: float | None,
    mean_output_tokens: float | None,
    routing: Routing = Routing.BY_LOAD,
) -> RhoMax:
    """The least of the limits on a replica's utilisation; only TPOT and stability without request lengths."""
    limits = {"tpot": 1 - pool.step.a_ms / (slo.tpot_s * 1000), "stability": STABLE}
    work, queue = 0.0, None
    if mean_input_tokens is not None and mean_output_tokens is not None:
        work = pool.step.work_ms(mean_input_tokens, mean_output_tokens)
    if work > 0 and mean_input_tokens is not None and mean_output_tokens is not None:
        target_s = slo.ttft_s + slo.ttft_s_per_1k_tokens * mean_input_tokens / 1000
        queue = Queue(pool, target_s, slo.attainment, mean_input_tokens, mean_output_tokens)
        limits |= {"ttft": queue.limit(1), **_length_limits(pool, mean_input_tokens, mean_output_tokens, work)}
    limits = {name: max(0.0, limit) for name, limit in limits.items()}
    value, binding = _least(limits)
    # A request is in service for as long as its tokens take, and at least for its own work.
    residence_ms = max((mean_output_tokens or 0.0) * pool.step.a_ms / (1 - value), work)
    shared = queue if routing is Routing.BY_LOAD else None
    return RhoMax(value, binding, limits, residence_ms / work if work > 0 else None, queue=shared)


def learned_rho_max(
    pool: Pool,
    learned: Learned | None,
    slo: Slo,
    mean_input_tokens: float | None,
    mean_output_tokens: float | None,
    work_correction: float | None,
    routing: Routing = Routing.BY_LOAD,
) -> RhoMax:
    """As ``rho_max`` by the law that was learned, told in erlangs of the configured one, like every load.

    ``work_correction`` is the work of the present mix of requests by the learned law over that by the configured one,
    1 where unknown. Worked example: a pool 30 % slower in every part: the TPOT limit falls from 0.67 to 0.57 of its
    own time, and as each request is 1.3 times the work, that is 0.44 erlangs of the configured law.
    """
    configured = rho_max(pool, slo, mean_input_tokens, mean_output_tokens, routing)
    law = corrected(pool, learned)
    if law is pool:
        return configured
    rho, times = rho_max(law, slo, mean_input_tokens, mean_output_tokens, routing), work_correction or 1.0
    queue = None if rho.queue is None else replace(rho.queue, times=times)
    sequences = None if rho.sequences_per_erlang is None else rho.sequences_per_erlang * times
    limits = {name: limit / times for name, limit in rho.limits.items()}
    return RhoMax(rho.value / times, rho.binding, limits, sequences, configured, queue)


def work_correction(observation: Observation, pool: Pool, learned: Learned | None) -> float | None:
    """Mean work of the interval's requests by the learned law over that by the configured one; None where unknown."""
    work, own = mean_work_ms(observation, pool), mean_work_ms(observation, corrected(pool, learned))
    return own / work if work and own else None


def replicas_for(erlangs: float, rho: RhoMax) -> int:
    """Replicas that carry a load, with square-root staffing for the noise below the sampling step.

    A load of A erlangs is A·n requests in service (n = ``sequences_per_erlang``), whose standard deviation is
    √(A·n), that is √(A/n) erlangs. Worked example: 3.1 erlangs, n = 60, ρ_max 0.55: (3.1 + √(3.1/60)) / 0.55
    = 6.05, so 7. Where replicas share a queue, it is the smallest number that carries the load together.
    """
    noise = STAFFING_BETA * math.sqrt(erlangs / rho.sequences_per_erlang) if rho.sequences_per_erlang else 0.0
    load = erlangs + noise
    if rho.queue is None:
        return math.ceil(load / rho.value - 1e-9)
    by_itself = math.ceil(load / rho.among(1).value - 1e-9)
    return 1 + bisect_left(range(1, by_itself), True, key=lambda n: rho.carries(load, n)) if by_itself else 0


def _least(limits: Mapping[str, float], times: float = 1.0) -> tuple[float, str]:
    """The limit that binds, and its name."""
    binding = min(limits, key=lambda name: limits[name])
    return max(FLOOR / times, limits[binding]), binding


def _length_limits(pool: Pool, length_in: float, length_out: float, work: float) -> dict[str, float]:
    if length_out <= 0:
        return {}
    # Requests in service are N = ρ/(1 − ρ) · O·a/w; a bound on N is one on ρ.
    per_odds = length_out * pool.step.a_ms / work
    sequences = {"kv": KV_FILL * pool.kv_tokens / (length_in + length_out / 2), "seqs": float(pool.max_num_seqs)}
    return {name: n / (n + per_odds) for name, n in sequences.items()}


def _uncached(observation: Observation) -> float:
    """Share of prompt tokens that need prefill; 1 where the engine does not say."""
    total, cached = observation.input_tokens_per_s, observation.cached_tokens_per_s
    if total is None or cached is None or total <= 0:
        return 1.0
    return min(1.0, max(0.0, 1 - cached / total))
