"""Which replica moves where: from targets per tier to moves of single replicas, as a pure function.

The order of preference is the order of cost: undo a drain, wake what is ready, redirect what is on its way, and
only then start something new; give up what does not serve yet before draining what does. Of those that serve, the one
with the fewest requests goes first, and of equals the one whose KV cache holds the least that others could use again.
A move that is already under way counts as done, so reconciling twice asks for nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from runtime.fleet import PoolTarget
from runtime.replica import Tier, Transition


class Verb(StrEnum):
    """What is done to a replica."""

    LAUNCH = "launch"
    RETARGET = "retarget"
    ACTIVATE = "activate"
    WAKE = "wake"
    DRAIN = "drain"
    SLEEP = "sleep"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Move:
    """One move to the tier ``to``; a launch names the warm node that it uses up, or None where it starts cold."""

    verb: Verb
    member: str | None
    to: Tier


@dataclass(frozen=True, slots=True)
class Member:
    """What reconciling needs to know of a replica; ``load`` is its requests running and waiting, ``warmth`` the prefix
    tokens in its KV cache.
    """

    name: str
    tier: Tier
    transition: Transition | None
    since_s: float
    load: int = 0
    warmth: int = 0


def reconcile(members: Sequence[Member], target: PoolTarget) -> list[Move]:
    """Moves that bring a pool to its target. Failed replicas count for nothing and are stopped; those that the target
    avoids count for nothing and leave.
    """
    moves = [Move(Verb.STOP, m.name, Tier.COLD) for m in members if m.transition is Transition.FAILED]
    moves += [move for m in members if m.name in target.avoid and (move := _leave(m)) is not None]
    alive = [m for m in members if m.transition is not Transition.FAILED and m.name not in target.avoid]
    tiers = {tier: [m for m in alive if m.tier is tier] for tier in Tier}
    wanted = {Tier.STANDBY: target.standby, Tier.ASLEEP: target.asleep, Tier.WARM_NODE: target.warm_node}
    lacking = target.active - len(tiers[Tier.ACTIVE])
    if lacking > 0:
        moves += _fill_active(tiers, lacking)
    else:
        moves += _shrink_active(tiers, -lacking, wanted)
    for tier in (Tier.STANDBY, Tier.ASLEEP):
        moves += _settle(tiers, tier, wanted)
    return _on_warm_nodes(moves, tiers[Tier.WARM_NODE]) + _settle(tiers, Tier.WARM_NODE, wanted)


def _leave(member: Member) -> Move | None:
    """How a replica that is to be avoided leaves: what takes requests drains, anything else stops."""
    if member.transition is Transition.FAILED or (_draining(member) and member.tier is Tier.COLD):
        return None
    serves = member.tier is Tier.ACTIVE and member.transition is None
    return Move(Verb.DRAIN if serves or _draining(member) else Verb.STOP, member.name, Tier.COLD)


def _fill_active(tiers: dict[Tier, list[Member]], lacking: int) -> list[Move]:
    """Bring ``lacking`` more into rotation, the quickest first; those used are taken out of ``tiers``."""
    draining = [m for t in (Tier.STANDBY, Tier.ASLEEP, Tier.COLD) for m in tiers[t] if _draining(m)]
    ready = [m for m in tiers[Tier.STANDBY] if m.transition is None]
    sleeping = [m for m in tiers[Tier.ASLEEP] if m.transition is None]
    coming = [m for t in (Tier.STANDBY, Tier.ASLEEP) for m in tiers[t] if m.transition in _STARTING]
    coming.sort(key=lambda m: m.since_s)
    moves = [Move(Verb.ACTIVATE, m.name, Tier.ACTIVE) for m in [*draining, *ready]]
    moves += [Move(Verb.WAKE, m.name, Tier.ACTIVE) for m in sleeping]
    moves += [Move(Verb.RETARGET, m.name, Tier.ACTIVE) for m in coming]
    moves = moves[:lacking]
    used = {move.member for move in moves}
    for tier in tiers:
        tiers[tier] = [m for m in tiers[tier] if m.name not in used]
    return moves + [Move(Verb.LAUNCH, None, Tier.ACTIVE)] * (lacking - len(moves))


def _on_warm_nodes(moves: Sequence[Move], warm: list[Member]) -> list[Move]:
    """Launches take the warm nodes there are, which are then no longer in ``warm``."""
    ready = [m for m in warm if m.transition is None]
    placed = []
    for move in moves:
        if move.verb is Verb.LAUNCH and ready:
            used = ready.pop(0)
            warm.remove(used)
            placed.append(Move(Verb.LAUNCH, used.name, move.to))
        else:
            placed.append(move)
    return placed


def _shrink_active(tiers: dict[Tier, list[Member]], surplus: int, wanted: dict[Tier, int]) -> list[Move]:
    """Take ``surplus`` out of rotation: what is still starting first, youngest first, then the least loaded, then the
    coldest.
    """
    order = sorted(tiers[Tier.ACTIVE], key=_worth)
    moves = []
    for member in order[:surplus]:
        tiers[Tier.ACTIVE].remove(member)
        to = next((t for t in (Tier.STANDBY, Tier.ASLEEP) if len(tiers[t]) < wanted[t]), Tier.COLD)
        if member.transition is None:
            moves.append(Move(Verb.DRAIN, member.name, to))
        elif to is Tier.COLD:
            moves.append(Move(Verb.STOP, member.name, to))
        else:
            moves.append(Move(Verb.RETARGET, member.name, to))
        tiers[to].append(member)
    return moves


def _settle(tiers: dict[Tier, list[Member]], tier: Tier, wanted: dict[Tier, int]) -> list[Move]:
    """Bring one spare tier to its number: a surplus standby may fall asleep, any other surplus stops."""
    held = [m for m in tiers[tier] if not _draining(m)]
    surplus = len(tiers[tier]) - wanted[tier]
    if surplus <= 0:
        return [Move(Verb.LAUNCH, None, tier)] * -surplus
    moves = []
    for member in sorted(held, key=lambda m: -m.since_s)[:surplus]:
        tiers[tier].remove(member)
        if tier is Tier.STANDBY and len(tiers[Tier.ASLEEP]) < wanted[Tier.ASLEEP] and member.transition is None:
            tiers[Tier.ASLEEP].append(member)
            moves.append(Move(Verb.SLEEP, member.name, Tier.ASLEEP))
        else:
            moves.append(Move(Verb.STOP, member.name, Tier.COLD))
    return moves


def _worth(member: Member) -> tuple[bool, float, int, float]:
    """What is lost when this active replica goes, least first."""
    if member.transition is not None:
        return False, -member.since_s, 0, 0.0
    return True, member.load, member.warmth, -member.since_s


_STARTING = (Transition.LAUNCHING, Transition.WAKING)


def _draining(member: Member) -> bool:
    return member.transition is Transition.DRAINING
