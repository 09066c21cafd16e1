"""What a candidate needs for the traffic within the SLO, and what that costs.

Replicas follow the load step by step, as the sizing rule has them (``autoscaler.capacity``), without delay: what
forecasts and lead times add is what backtests measure. A candidate that cannot keep the promise at any size is refused
with the number that shows it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autoscaler.capacity import FLOOR, KV_FILL, RhoMax, replicas_for, rho_max
from autoscaler.planning.basis import scaled
from autoscaler.planning.candidates import Candidate, Refusal
from autoscaler.planning.curve import Counts, Curve, curve
from autoscaler.planning.memory import Memory
from autoscaler.planning.mix import Mix, mix
from autoscaler.planning.traffic import Traffic
from autoscaler.policy import Routing, Slo
from autoscaler.queueing import MOST_REPLICAS, STABLE, ttft_s

SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The promise and its margins: ``headroom`` is a factor on the load, ``cached`` the share of input tokens that a
    prefix cache serves, ``fewest`` the replicas that are always held, ``routing`` how requests find one.
    """

    slo: Slo
    headroom: float = 1.0
    cached: float = 0.0
    fewest: int = 1
    routing: Routing = Routing.BY_LOAD

    def sharing(self, replicas: int) -> int:
        """How many of so many replicas share one queue."""
        return replicas if self.routing is Routing.BY_LOAD else 1


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A candidate under the traffic.

    ``needed`` and ``firm`` (k,) replicas along ``load``, the latter those that may not be spot. ``rps`` is what one
    replica carries within the SLO, ``idle_`` and ``full_`` what a request meets alone and at ``rho``: mean TPOT and
    the promised quantile of TTFT, s. ``usd_low`` and ``usd_high``: USD per million tokens if step times are wrong by
    the candidate's error; None where the promise could then not be kept.
    """

    candidate: Candidate
    rho: RhoMax
    load: Curve
    needed: Counts
    firm: Counts
    rps: float
    idle_tpot_s: float
    full_tpot_s: float
    idle_ttft_s: float
    full_ttft_s: float
    millions_per_hour: float
    mix: Mix
    usd_low: float | None = None
    usd_high: float | None = None

    @property
    def mean_replicas(self) -> float:
        """Replicas, on average over the time."""
        return float(self.needed @ self.load.share)

    @property
    def peak_replicas(self) -> int:
        """Replicas in the busiest step."""
        return int(self.needed.max())

    @property
    def usd_per_hour(self) -> float:
        """Everything on demand."""
        return self.mix.all_on_demand_usd

    @property
    def usd_per_million(self) -> float:
        """USD per million tokens, in and out, everything on demand: what pools are ranked by."""
        return self.usd_per_hour / self.millions_per_hour

    @property
    def usd_per_million_mixed(self) -> float:
        """The same, paid in the cheapest way."""
        return self.mix.usd_per_hour / self.millions_per_hour


def carry(candidate: Candidate, traffic: Traffic, asked: Asked) -> Carried | Refusal:
    """The candidate under the traffic, with the band of its error; or why it cannot be."""
    carried = _carry(candidate, traffic, asked)
    if isinstance(carried, Refusal):
        return carried
    wrong = 1 + candidate.basis.error
    low, high = (_usd(candidate.at(scaled(candidate.pool.step, x)), traffic, asked) for x in (1 / wrong, wrong))
    fields = {name: getattr(carried, name) for name in Carried.__slots__}
    return Carried(**(fields | {"usd_low": low, "usd_high": high}))


def _usd(candidate: Candidate, traffic: Traffic, asked: Asked) -> float | None:
    carried = _carry(candidate, traffic, asked)
    return None if isinstance(carried, Refusal) else carried.usd_per_million


def limits(candidate: Candidate, traffic: Traffic, asked: Asked) -> RhoMax | Refusal:
    """What one replica may carry, or why it can carry nothing of use."""
    inputs, outputs = traffic.mean_input_tokens, traffic.mean_output_tokens
    slo, room = asked.slo, candidate.memory
    if traffic.long_tokens > room.kv_tokens:
        return Refusal(candidate.way, "kv", f"{_room(room)} do not hold a request of {traffic.long_tokens:,.0f}")
    wait_s = filling_s(candidate, inputs)
    target_s = slo.ttft_s + slo.ttft_s_per_1k_tokens * inputs / 1000
    if wait_s >= target_s:
        reason = f"a prompt takes {wait_s:.2f} s more through its stages; target {target_s:g} s"
        return Refusal(candidate.way, "ttft", reason)
    left = slo.model_copy(update={"ttft_s": slo.ttft_s - wait_s})
    rho = rho_max(candidate.pool, left, inputs, outputs, asked.routing)
    best = rho.among(MOST_REPLICAS)
    if best.limits[best.binding] >= FLOOR:
        return rho
    return Refusal(candidate.way, best.binding, _hopeless(candidate, best.binding, asked, inputs, outputs))


def filling_s(candidate: Candidate, input_tokens: float) -> float:
    """Seconds that a prompt takes longer than the law says, since its stages work one after another on a chunk."""
    pool, stages = candidate.pool, candidate.way.split.stages
    chunk = min(input_tokens, pool.max_batched_tokens)
    return (stages - 1) * pool.step.p_ms_per_1k_prefill_tokens * chunk / 1e6


def replicas(load: Curve, rho: RhoMax, asked: Asked) -> tuple[Counts, Counts]:
    """Along the curve: (k,) replicas that keep the promise, and (k,) of them that keep the queues stable alone."""
    survives = hold(rho)
    needed = np.maximum(load.counts(lambda erlangs: replicas_for(erlangs, rho)), asked.fewest)
    firm = np.maximum(load.counts(lambda erlangs: math.ceil(erlangs / survives - 1e-9)), asked.fewest)
    return needed, np.minimum(needed, firm)


def hold(rho: RhoMax) -> float:
    """The load that a replica survives while others are replaced: latency may suffer, memory and stability may not."""
    return max(rho.value, min(STABLE, *(rho.limits.get(name, STABLE) for name in ("kv", "seqs"))))


def _carry(candidate: Candidate, traffic: Traffic, asked: Asked) -> Carried | Refusal:
    rho = limits(candidate, traffic, asked)
    if isinstance(rho, Refusal):
        return rho
    pool, slo = candidate.pool, asked.slo
    inputs, outputs = traffic.mean_input_tokens, traffic.mean_output_tokens
    load = curve(traffic.erlangs(pool.step, asked.cached) * asked.headroom)
    needed, firm = replicas(load, rho, asked)
    most = int(needed.max())
    rho = rho.among(most)
    mean_work = float(traffic.erlangs(pool.step, asked.cached).mean()) / traffic.mean_rps
    wait_s = filling_s(candidate, inputs)
    ttft = [wait_s + ttft_s(pool, at, slo.attainment, inputs, outputs, asked.sharing(most)) for at in (1e-6, rho.value)]
    return Carried(
        candidate=candidate,
        rho=rho,
        load=load,
        needed=needed,
        firm=firm,
        rps=rho.value / mean_work,
        idle_tpot_s=pool.step.a_ms / 1000,
        full_tpot_s=pool.step.a_ms / (1 - rho.value) / 1000,
        idle_ttft_s=ttft[0],
        full_ttft_s=ttft[1],
        millions_per_hour=traffic.tokens_per_s * SECONDS / 1e6,
        mix=mix(needed, firm, load.share, candidate.way.split.gpus, candidate.offer),
    )


def _hopeless(candidate: Candidate, binding: str, asked: Asked, inputs: float, outputs: float) -> str:
    """Why not even an almost idle replica keeps the promise."""
    pool, slo = candidate.pool, asked.slo
    if binding == "tpot":
        token_ms = pool.step.a_ms / (1 - FLOOR)
        return f"a token takes {token_ms:.1f} ms on an almost idle replica; target {1000 * slo.tpot_s:g} ms"
    if binding == "ttft":
        together = asked.sharing(MOST_REPLICAS)
        first = ttft_s(pool, FLOOR, slo.attainment, inputs, outputs, together) + filling_s(candidate, inputs)
        target = slo.ttft_s + slo.ttft_s_per_1k_tokens * inputs / 1000
        return f"the first token takes {first:.2f} s on an almost idle replica; target {target:g} s"
    held = KV_FILL * candidate.memory.kv_tokens / (inputs + outputs / 2)
    return f"{_room(candidate.memory)} hold {held:.1f} requests at a time, too few to use the GPU"


def _room(room: Memory) -> str:
    return f"{room.kv_tokens:,} tokens of KV cache ({room.kv_gib:.1f} GiB a GPU)"
