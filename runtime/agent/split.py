"""What each machine should hold of a pool, of what all should hold together: a pure function.

Where there is something it stays: a replica is made active where one waits already, then where there is room; one
leaves where there are most. Machines that did as they were told are told the same again. A machine that leaves is
emptied as the others come to serve in its place; one that ends, which nobody can stop, at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from runtime.fleet import PoolTarget
from runtime.replica import Replica, Tier, Transition

TIERS = {Tier.ACTIVE: "active", Tier.STANDBY: "standby", Tier.ASLEEP: "asleep", Tier.WARM_NODE: "warm_node"}


class Stay(StrEnum):
    """Whether a machine is there to stay: ``leaving`` ones end some time soon, ``ending`` ones within their grace."""

    STAYS = "stays"
    LEAVING = "leaving"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has of the pool, and how many replicas it has room for."""

    name: str
    room: int
    replicas: Sequence[Replica] = ()
    stay: Stay = Stay.STAYS

    def serving(self, avoid: Sequence[str] = ()) -> int:
        """Replicas that take requests now and need not leave."""
        return sum(r.serving and r.name not in avoid for r in self.replicas)

    def count(self, tier: Tier) -> int:
        """Replicas in a tier, or on the way to it; what failed or leaves for good counts for none."""
        return sum(r.tier is tier and r.transition is not Transition.FAILED for r in self.replicas)


def split(target: PoolTarget, machines: Sequence[Machine]) -> dict[str, PoolTarget]:
    """A target for each machine, by its name; together those that stay are ``target``. Where none stays, those that
    leave do. Raises ValueError without any machine, or where all are ending.
    """
    lasting = [m for m in machines if m.stay is Stay.STAYS] or [m for m in machines if m.stay is Stay.LEAVING]
    if not lasting:
        raise ValueError(f"pool {target.pool}: no machine to run it on")
    lacking = max(0, target.active - sum(machine.serving(target.avoid) for machine in lasting))
    made = _among(target, lasting)
    for machine in machines:
        if machine not in lasting:
            kept = min(lacking, machine.serving(target.avoid)) if machine.stay is Stay.LEAVING else 0
            lacking -= kept
            made[machine.name] = _share(target, machine, dict.fromkeys(TIERS, 0) | {Tier.ACTIVE: kept})
    return made


def less(target: PoolTarget, kept: Sequence[Replica]) -> PoolTarget:
    """What is left to ask of other machines where these replicas stay whatever is asked; never below zero."""
    own = [one for one in kept if (one.service, one.pool) == (target.service, target.pool)]
    there = Machine("", 0, [one for one in own if one.name not in target.avoid])
    counts = {field: max(0, getattr(target, field) - there.count(tier)) for tier, field in TIERS.items()}
    return replace(target, **counts)


def _among(target: PoolTarget, machines: Sequence[Machine]) -> dict[str, PoolTarget]:
    shares = {machine.name: dict.fromkeys(TIERS, 0) for machine in machines}
    waiting = {m.name: {tier: m.count(tier) for tier in TIERS} for m in machines}
    for tier, field in TIERS.items():
        wanted = getattr(target, field)
        _keep(shares, waiting, tier, wanted)
        for _ in range(wanted - sum(share[tier] for share in shares.values())):
            name = _place(shares, waiting, machines, tier)
            shares[name][tier] += 1
    return {machine.name: _share(target, machine, shares[machine.name]) for machine in machines}


def _share(target: PoolTarget, machine: Machine, share: Mapping[Tier, int]) -> PoolTarget:
    return replace(
        target,
        active=share[Tier.ACTIVE],
        standby=share[Tier.STANDBY],
        asleep=share[Tier.ASLEEP],
        warm_node=share[Tier.WARM_NODE],
        avoid=tuple(r.name for r in machine.replicas if r.name in target.avoid),
    )


Shares = Mapping[str, dict[Tier, int]]


def _keep(shares: Shares, waiting: Shares, tier: Tier, wanted: int) -> None:
    """Keep what is in the tier, at most ``wanted``: those too many leave where there are most in all."""
    for name, here in waiting.items():
        shares[name][tier] = here[tier]
    while sum(share[tier] for share in shares.values()) > wanted:
        fullest = max(shares, key=lambda name: (shares[name][tier] > 0, sum(waiting[name].values()), name))
        shares[fullest][tier] -= 1
        waiting[fullest][tier] -= 1


def _place(shares: Shares, waiting: Shares, machines: Sequence[Machine], tier: Tier) -> str:
    """Where one more of a tier comes from: a slower tier's own first, then whoever has most room left."""
    slower = [other for other in TIERS if list(TIERS).index(other) > list(TIERS).index(tier)]
    for other in slower:
        if ready := [name for name, here in waiting.items() if here[other] > 0]:
            chosen = max(ready, key=lambda name: (waiting[name][other], name))
            waiting[chosen][other] -= 1
            waiting[chosen][tier] += 1
            return chosen
    rooms = {m.name: m.room - sum(shares[m.name].values()) for m in machines}
    return max(rooms, key=lambda name: (rooms[name], name))
