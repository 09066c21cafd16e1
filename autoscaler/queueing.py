"""How long a first token waits, and what one replica may carry for it: the TTFT limit of DESIGN 4, "Capacity".

Prefills are taken as a queue in front of the engines, served one after another in chunks between decode steps. Where
requests are sent blindly each replica is an M/M/1 of its own. A router that sends each request where least is to do
comes near to one queue for all, so that more replicas may each be fuller, and does not reach it: requests are of
unlike length, and it cannot take back what it sent. The wait is taken as that of √n servers of n, which lies between
the two and agrees with the simulator (``python -m benchmarks.planner``). Lengths are means: kind to prompts far longer
than the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scipy.optimize import brentq

from runtime.pool import Pool

STABLE = 0.95
"""No queue is run closer to saturation than this, however generous the targets are."""

EXACT = 1e-9
"""A limit is found to so many erlangs, and rounded down by them."""

MOST_REPLICAS = 1024
"""More replicas than this count as so many: by then hardly anyone waits, and each one more costs time to compute."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The one queue of all replicas of a pool: requests of these mean lengths, and the promise of their first token.

    ``times`` is what an erlang of the loads that are asked about comes to by ``pool``'s law: 1 unless another law was
    learned than the one loads are told in.
    """

    pool: Pool
    target_s: float
    quantile: float
    input_tokens: float
    output_tokens: float
    times: float = 1.0
    _limits: dict[int, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def meets(self, erlangs: float, replicas: int) -> bool:
        """Whether ``replicas`` that carry ``erlangs`` each keep the promise."""
        rho = erlangs * self.times
        return rho < 1 and self._ttft_s(rho, replicas) <= self.target_s

    def limit(self, replicas: int) -> float:
        """The most erlangs each that ``replicas`` carry and keep the promise; 0 where even idle ones do not."""
        if replicas not in self._limits:
            self._limits[replicas] = self._limit(replicas)
        return self._limits[replicas]

    def _limit(self, replicas: int) -> float:
        def room(rho: float) -> float:
            # Of a wait that grows as 1/(1 - rho) the inverse is nearly a line, which Brent's method finds in few steps.
            return self.target_s / self._ttft_s(rho, replicas) - 1

        if room(STABLE) >= 0:
            return STABLE / self.times
        if room(0.0) <= 0:
            return 0.0
        return max(0.0, brentq(room, 0.0, STABLE, xtol=EXACT) - EXACT) / self.times

    def _ttft_s(self, rho: float, replicas: int) -> float:
        return ttft_s(self.pool, rho, self.quantile, self.input_tokens, self.output_tokens, replicas)


def ttft_s(
    pool: Pool, rho: float, quantile: float, input_tokens: float, output_tokens: float, replicas: int = 1
) -> float:
    """Estimated quantile of the time to first token of a mean request, seconds, where each of ``replicas`` that share
    one queue is used at ``rho`` < 1; inf when unstable.
    """
    step = pool.step
    prefill_ms = step.p_ms_per_1k_prefill_tokens * input_tokens / 1000
    work = pool.step.work_ms(input_tokens, output_tokens)
    per_ms = rho / work
    decode_step_ms = step.a_ms * (1 + (rho - per_ms * prefill_ms) / (1 - rho))
    chunks = input_tokens / pool.max_batched_tokens
    service_ms = chunks * decode_step_ms + prefill_ms
    busy = per_ms * service_ms
    if busy >= 1:
        return math.inf
    servers = round(math.sqrt(min(max(1, replicas), MOST_REPLICAS)))
    waiting = waiting_probability(servers, servers * busy)
    wait_ms = service_ms / (servers * (1 - busy)) * math.log(waiting / (1 - quantile)) if waiting > 1 - quantile else 0
    own_ms = (max(1, math.ceil(chunks)) + 0.5) * decode_step_ms + prefill_ms
    return (wait_ms + own_ms) / 1000


def waiting_probability(servers: int, erlangs: float) -> float:
    """Erlang's C: the share of arrivals that find all servers of an M/M/n queue busy; 1 from saturation on."""
    if erlangs >= servers:
        return 1.0
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = erlangs * blocked / (server + erlangs * blocked)
    return blocked / (1 - erlangs / servers * (1 - blocked))
