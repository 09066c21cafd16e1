"""The meter's part of a tick: what was held and used since the last one, as rows for the cost store.

A stretch that nobody watched, from a stop to a start or over a clock that jumped, is not charged: the hour then shows
how much of it was metered. What was there at the end of a stretch is taken to have been there for all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.daemon.memory import RackMemory
from app.daemon.parts import Daemon
from app.daemon.signals import FLEET, Signals
from autoscaler.controller import Considered, Look
from autoscaler.cost.energy import of_gpus, taken
from autoscaler.cost.meter import Held, Rates, Stretch, Used, held, idle_in_rack, stretches, used
from autoscaler.cost.store import TenantUse
from autoscaler.sharing.controller import ConsideredRack
from collectors.observation import Observation, Scrape
from runtime.replica import Replica

MOST_INTERVALS = 8
"""A longer stretch than this many intervals was not watched."""


@dataclass(frozen=True, slots=True)
class Metered:
    """Rows of one tick."""

    held: list[Held]
    used: list[Used]
    tenants: list[TenantUse]


def metered(
    daemon: Daemon,
    considered: Mapping[str, Considered],
    racks: Mapping[str, ConsideredRack],
    signals: Mapping[str, Signals],
    seen: Look,
) -> Metered:
    """What happened since the last tick; nothing where there was none, or too long ago."""
    last_s, rows = daemon.memory.ticked_at_s, Metered([], [], [])
    if last_s is None or not 0 < seen.at_s - last_s <= MOST_INTERVALS * daemon.interval_s:
        return rows
    before = daemon.previous or Scrape(last_s, {})
    joules = _joules(before, seen)
    pieces = stretches(last_s, seen.at_s)
    whole_ms = sum(piece.ms for piece in pieces)
    for piece in pieces:
        part = {gpu: one * piece.ms / whole_ms for gpu, one in joules.items()}
        for name, result in considered.items():
            pools = daemon.memory.services[name].pools
            rows.held.extend(held(piece, name, pools, result.replicas, busy_share(signals[name])))
            rows.used.append(_used(piece, name, result.observation, result.replicas, part))
        rows.used.append(_idle(piece, seen, part))
        for name, known in daemon.memory.racks.items():
            rows.held.extend(_rack(piece, known, racks.get(name)))
        rows.tenants.extend(_tenants(piece, before, seen.scrape, piece.ms / whole_ms))
    return rows


def busy_share(signals: Signals) -> float | None:
    """Offered load over the capacity in rotation; None where either is not known."""
    offered, capacity = signals["offered_erlangs"], signals["capacity_erlangs"]
    return None if offered is None or not capacity else offered / capacity


def _joules(before: Scrape, seen: Look) -> dict[str, float]:
    """By GPU, for each of those who share it."""
    holders = Counter(gpu for replica in seen.replicas for gpu in replica.gpus)
    read = taken(before.gpus, seen.scrape.gpus, seen.at_s - before.at_s)
    return {gpu: joules / max(1, holders[gpu]) for gpu, joules in read.items()}


def _used(
    piece: Stretch, name: str, observation: Observation, replicas: tuple[Replica, ...], joules: Mapping[str, float]
) -> Used:
    rates = Rates(
        observation.input_tokens_per_s,
        observation.cached_tokens_per_s,
        observation.output_tokens_per_s,
        observation.completed_per_s,
    )
    gpus = [gpu for replica in replicas for gpu in replica.gpus]
    read, share = of_gpus(joules, gpus)
    return used(piece, name, rates, read, round(piece.ms * len(gpus) * share))


def _idle(piece: Stretch, seen: Look, joules: Mapping[str, float]) -> Used:
    """What GPUs took that nobody held: the fleet's."""
    held_by = {gpu for replica in seen.replicas for gpu in replica.gpus}
    idle = [gpu for gpu in joules if gpu not in held_by]
    read, _ = of_gpus(joules, idle)
    return used(piece, FLEET, Rates(None, None, None, None), read, piece.ms * len(idle))


def _rack(piece: Stretch, known: RackMemory, considered: ConsideredRack | None) -> list[Held]:
    """GPUs of a rack that nobody is awake on, charged by the risk that they cover for each of its services."""
    if known.told is None:
        return []
    risk = considered.found.risk if considered is not None else ()
    shares = risk if len(risk) == len(known.services) else (0.0,) * len(known.services)
    return idle_in_rack(piece, known.rack, known.told.lent, dict(zip(known.services, shares, strict=True)))


def _tenants(piece: Stretch, before: Scrape, after: Scrape, share: float) -> list[TenantUse]:
    """Growth of each tenant's counters; one that fell was reset and counts from zero."""
    found = []
    for name, now in after.tenants.items():
        old = before.tenants.get(name)
        if old is None:
            continue
        tokens, requests = now.tokens - old.tokens, now.requests - old.requests
        if tokens < 0 or requests < 0:
            tokens, requests = now.tokens, now.requests
        if requests or tokens:
            found.append(TenantUse(piece.hour_s, name, share * tokens, share * requests))
    return found
