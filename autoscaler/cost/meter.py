"""What a tick adds to the meter: GPU time by pool and state, tokens and joules by service, each in its hour.

Pure. GPU time is *charged* time: a replica on GPUs that others use meanwhile counts by its holding share, as it is
paid for. What nobody saw is not metered: an hour then tells how much of it is known, and nothing is made up. GPUs of a
rack that nobody is awake on are charged to the services that they insure, by the risk they cover for each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.cost.money import shared
from autoscaler.counts import state_name
from runtime.pool import Pool
from runtime.rack import Rack
from runtime.replica import Replica, Tier

HOUR_S = 3600.0

STATES = ("active", "standby", "asleep", "warm_node", "moving", "shared")
"""Where GPU time goes: in rotation, the three tiers beside it, on its way or broken, and idle in a rack."""

TIERS = {tier.value: tier for tier in Tier}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of time within one hour: the hour's start and the length, milliseconds."""

    hour_s: int
    ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """GPU-milliseconds of one pool of a service within an hour.

    ``charged`` by ``STATES`` as they are paid for; ``held_ms`` are the GPUs themselves. Of the active time ``busy_ms``
    would have been enough at saturation, as far as the load was seen, which it was for ``seen_ms``.
    """

    hour_s: int
    service: str
    pool: str
    micro_usd: int
    charged: Mapping[str, int]
    held_ms: int
    busy_ms: int = 0
    seen_ms: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """What one service did within an hour. ``tokens_ms``, ``cached_ms`` and ``joules_gpu_ms`` say for how much of
    the metered ``ms`` (of its GPU time) tokens, cached tokens and energy are known.
    """

    hour_s: int
    service: str
    ms: int
    tokens_ms: int = 0
    cached_ms: int = 0
    input_tokens: float = 0.0
    cached_tokens: float = 0.0
    output_tokens: float = 0.0
    requests: float = 0.0
    joules: float = 0.0
    joules_gpu_ms: int = 0


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second; None where it is not known. ``input_tokens`` count cached ones too, as vLLM does."""

    input_tokens: float | None
    cached_tokens: float | None
    output_tokens: float | None
    requests: float | None


def stretches(start_s: float, end_s: float) -> list[Stretch]:
    """``start_s`` to ``end_s`` cut at the hours; the milliseconds sum to those between the two."""
    start_ms, end_ms = round(start_s * 1000), round(end_s * 1000)
    cuts = range(math.floor(start_s / HOUR_S), math.ceil(end_s / HOUR_S))
    found = [
        Stretch(int(hour * HOUR_S), min(end_ms, round((hour + 1) * HOUR_S * 1000)) - max(start_ms, hour * 3_600_000))
        for hour in cuts
    ]
    return [stretch for stretch in found if stretch.ms > 0]


def held(
    stretch: Stretch, service: str, pools: Sequence[Pool], replicas: Iterable[Replica], busy_share: float | None
) -> list[Held]:
    """GPU time of a service's pools while these replicas were there; replicas of unknown pools are the first's.

    ``busy_share`` is offered load over the capacity in rotation, None where either is not known.
    """
    own: dict[str, list[Replica]] = {pool.name: [] for pool in pools}
    for replica in replicas:
        own.get(replica.pool, own[pools[0].name]).append(replica)
    return [_of_pool(stretch, service, pool, own[pool.name], busy_share) for pool in pools if own[pool.name]]


def _of_pool(stretch: Stretch, service: str, pool: Pool, replicas: Sequence[Replica], busy_share: float | None) -> Held:
    charged = dict.fromkeys(STATES, 0)
    gpu_ms = stretch.ms * pool.gpus_per_replica
    there = [name for replica in replicas if (name := state_name(replica))]
    for name in there:
        tier = TIERS.get(name)
        share = 1.0 if tier is None else pool.holding_share.get(tier, 1.0)
        charged[name if tier else "moving"] += round(gpu_ms * share)
    known = charged["active"] if busy_share is not None else 0
    busy = round(known * min(1.0, busy_share or 0.0))
    micro = round(pool.price_usd_per_gpu_hour * 1e6)
    return Held(stretch.hour_s, service, pool.name, micro, charged, gpu_ms * len(there), busy, known)


def idle_in_rack(stretch: Stretch, rack: Rack, lent_gpus: int, risk: Mapping[str, float]) -> list[Held]:
    """GPU time that nobody was awake on, charged to the services of the rack by ``risk``; alike where there is none.

    ``risk`` has every service of the rack, in any unit.
    """
    gpu_ms = stretch.ms * lent_gpus
    if gpu_ms == 0:
        return []
    weights = [round(1e6 * max(0.0, value)) for value in risk.values()]
    paid = shared(round(gpu_ms * rack.lent_share), weights)
    there = shared(gpu_ms, weights)
    micro = round(rack.price_usd_per_gpu_hour * 1e6)
    nothing = dict.fromkeys(STATES, 0)
    return [
        Held(stretch.hour_s, service, rack.name, micro, nothing | {"shared": part}, whole)
        for service, part, whole in zip(risk, paid, there, strict=True)
    ]


def used(stretch: Stretch, service: str, rates: Rates, joules: float | None, gpu_ms: int) -> Used:
    """Tokens and joules of a stretch. ``joules`` are what its ``gpu_ms`` took, None where no GPU was read."""
    seconds = stretch.ms / 1000
    known = rates.input_tokens is not None and rates.output_tokens is not None
    return Used(
        hour_s=stretch.hour_s,
        service=service,
        ms=stretch.ms,
        tokens_ms=stretch.ms if known else 0,
        cached_ms=stretch.ms if known and rates.cached_tokens is not None else 0,
        input_tokens=seconds * (rates.input_tokens or 0.0) if known else 0.0,
        cached_tokens=seconds * (rates.cached_tokens or 0.0) if known else 0.0,
        output_tokens=seconds * (rates.output_tokens or 0.0) if known else 0.0,
        requests=seconds * (rates.requests or 0.0),
        joules=joules or 0.0,
        joules_gpu_ms=0 if joules is None else gpu_ms,
    )
