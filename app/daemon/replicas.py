"""What the fleet's list of replicas means to the loop: counts per state, and what to scrape. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from autoscaler.decision import TierCounts
from collectors.source import Target
from runtime.pool import Pool
from runtime.replica import Replica, Tier, Transition

ON_THE_WAY = {Transition.LAUNCHING: "launching", Transition.WAKING: "waking"}


def state_name(replica: Replica) -> str:
    """The field of ``TierCounts`` that a replica is counted in."""
    if replica.transition is None:
        return "" if replica.tier is Tier.COLD else replica.tier.value
    if replica.transition in ON_THE_WAY and replica.tier is not Tier.ACTIVE:
        return "preparing"
    return ON_THE_WAY.get(replica.transition, replica.transition.value)


def counts_of(replicas: Iterable[Replica]) -> TierCounts:
    """Every replica once, under its transition while it has one."""
    counts: dict[str, int] = {}
    for replica in replicas:
        name = state_name(replica)
        if name:
            counts[name] = counts.get(name, 0) + 1
    return TierCounts(**counts)


def answers(replica: Replica) -> bool:
    """Whether an engine process should answer: it does not while launching, failed, or where none runs."""
    if replica.transition in (Transition.LAUNCHING, Transition.FAILED):
        return False
    running = (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP)
    return replica.tier in running or replica.transition is Transition.DRAINING


def held(replicas: Iterable[Replica]) -> frozenset[str]:
    """UUIDs of the GPUs that replicas occupy."""
    return frozenset(gpu for replica in replicas for gpu in replica.gpus)


def targets(replicas: Iterable[Replica], nodes: Iterable[str], pools: Iterable[Pool], fleet_url: str) -> list[Target]:
    """One engine target per running replica, one exporter per node, one gateway."""
    engines = {pool.name: pool.engine for pool in pools}
    known = [replica for replica in replicas if answers(replica) and replica.pool in engines]
    scraped = [Target("engine", r.name, f"{r.base_url}/metrics", engines[r.pool]) for r in known]
    scraped += [Target("dcgm", node, f"{fleet_url}/nodes/{node}/metrics") for node in nodes]
    return [*scraped, Target("gateway", "gateway", f"{fleet_url}/gateway/metrics")]
