"""Reconciling is a pure function: it reaches the target, asks for nothing twice, and drains only when it must."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from runtime.fleet import PoolTarget
from runtime.lifecycle import Member, Move, Verb, reconcile
from runtime.replica import Tier, Transition

STARTING = (Transition.LAUNCHING, Transition.WAKING)
STATES = [
    *((tier, None) for tier in (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP, Tier.WARM_NODE)),
    *((tier, Transition.LAUNCHING) for tier in (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP, Tier.WARM_NODE)),
    *((tier, Transition.WAKING) for tier in (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP)),
    *((tier, Transition.DRAINING) for tier in (Tier.STANDBY, Tier.ASLEEP, Tier.COLD)),
    *((tier, Transition.FAILED) for tier in Tier),
]


@st.composite
def pools(draw: st.DrawFn) -> list[Member]:
    """Up to ten replicas in any state that a replica can be in."""
    rows = draw(st.lists(st.tuples(st.sampled_from(STATES), st.integers(0, 99), st.integers(0, 5)), max_size=10))
    return [Member(f"r{i}", *state, float(since_s), load) for i, (state, since_s, load) in enumerate(rows)]


targets = st.builds(PoolTarget, st.just("chat"), st.just("pool"), *[st.integers(0, 5)] * 4)


def applied(members: list[Member], moves: list[Move]) -> list[Member]:
    """The pool right after the moves were started, none of them finished."""
    pool = {m.name: m for m in members}
    serial = count()
    for move in moves:
        if move.verb is Verb.LAUNCH:
            pool.pop(move.member or "", None)
            name = f"new{next(serial)}"
            pool[name] = Member(name, move.to, Transition.LAUNCHING, 100.0)
            continue
        member = pool.pop(str(move.member))
        if move.verb is Verb.STOP:
            continue
        draining = member.transition is Transition.DRAINING
        transition = {
            Verb.RETARGET: member.transition,
            Verb.ACTIVATE: None if draining else Transition.WAKING,
            Verb.WAKE: Transition.WAKING,
            Verb.DRAIN: Transition.DRAINING,
            Verb.SLEEP: Transition.DRAINING,
        }[move.verb]
        pool[member.name] = replace(member, tier=move.to, transition=transition)
    return list(pool.values())


def settled(members: list[Member]) -> list[Member]:
    """The pool once every transition has ended."""
    return [replace(m, transition=None) for m in members if m.tier is not Tier.COLD]


def numbers(members: list[Member]) -> dict[Tier, int]:
    return {tier: sum(m.tier is tier for m in members) for tier in Tier}


def wanted(target: PoolTarget) -> dict[Tier, int]:
    return {
        Tier.ACTIVE: target.active,
        Tier.STANDBY: target.standby,
        Tier.ASLEEP: target.asleep,
        Tier.WARM_NODE: target.warm_node,
        Tier.COLD: 0,
    }


def verbs(*members: Member, active: int = 0, **spares: int) -> list[tuple[Verb, str | None, Tier]]:
    moves = reconcile(members, PoolTarget("chat", "pool", active, **spares))
    return [(move.verb, move.member, move.to) for move in moves]


def member(name: str, tier: Tier, transition: Transition | None = None, since_s: float = 0, load: int = 0) -> Member:
    return Member(name, tier, transition, since_s, load)


@given(pools(), targets)
def test_reconciling_twice_asks_for_nothing_twice(members: list[Member], target: PoolTarget) -> None:
    assert reconcile(applied(members, reconcile(members, target)), target) == []


@given(pools(), targets)
def test_the_target_is_reached(members: list[Member], target: PoolTarget) -> None:
    """In the second round at the latest, since a drain to a tier that nobody wants any more ends there first."""
    for _ in range(2):
        members = settled(applied(members, reconcile(members, target)))
    assert numbers(members) == wanted(target)
    assert reconcile(members, target) == []


@given(pools(), targets)
def test_each_replica_is_moved_once_and_from_a_state_the_move_fits(members: list[Member], target: PoolTarget) -> None:
    moves = reconcile(members, target)
    named = [move.member for move in moves if move.member is not None]
    assert len(named) == len(set(named))
    states = {m.name: (m.tier, m.transition) for m in members}
    for move in moves:
        tier, transition = states.get(move.member or "", (Tier.COLD, None))
        assert {
            Verb.LAUNCH: (tier, transition) in ((Tier.COLD, None), (Tier.WARM_NODE, None)),
            Verb.RETARGET: transition in STARTING,
            Verb.ACTIVATE: transition is Transition.DRAINING or (tier, transition) == (Tier.STANDBY, None),
            Verb.WAKE: (tier, transition) == (Tier.ASLEEP, None),
            Verb.DRAIN: (tier, transition) == (Tier.ACTIVE, None),
            Verb.SLEEP: (tier, transition) == (Tier.STANDBY, None),
            Verb.STOP: transition is not Transition.DRAINING and (tier, transition) != (Tier.ACTIVE, None),
        }[move.verb]


@given(pools(), targets)
def test_nothing_drains_while_something_still_starting_could_be_given_up(
    members: list[Member], target: PoolTarget
) -> None:
    moves = reconcile(members, target)
    if any(move.verb is Verb.DRAIN for move in moves):
        starting = {m.name for m in members if m.tier is Tier.ACTIVE and m.transition in STARTING}
        assert starting <= {move.member for move in moves}


@given(pools(), targets)
def test_the_least_loaded_drain(members: list[Member], target: PoolTarget) -> None:
    drained = {move.member for move in reconcile(members, target) if move.verb is Verb.DRAIN}
    serving = [m for m in members if m.tier is Tier.ACTIVE and m.transition is None]
    kept = [m.load for m in serving if m.name not in drained]
    assert all(m.load <= min(kept, default=m.load) for m in serving if m.name in drained)


@given(pools(), targets)
def test_nothing_launches_for_rotation_while_anything_could_be_brought_back(
    members: list[Member], target: PoolTarget
) -> None:
    moves = reconcile(members, target)
    if any(move.verb is Verb.LAUNCH and move.to is Tier.ACTIVE for move in moves):
        spare = {m.name for m in members if m.tier in (Tier.STANDBY, Tier.ASLEEP)}
        spare |= {m.name for m in members if m.transition is Transition.DRAINING}
        failed = {m.name for m in members if m.transition is Transition.FAILED}
        assert spare - failed <= {move.member for move in moves if move.to is Tier.ACTIVE}


@given(pools(), targets)
def test_failed_replicas_stop_and_count_for_nothing(members: list[Member], target: PoolTarget) -> None:
    failed = [m.name for m in members if m.transition is Transition.FAILED]
    moves = reconcile(members, target)
    others = reconcile([m for m in members if m.name not in failed], target)
    assert moves == [Move(Verb.STOP, name, Tier.COLD) for name in failed] + others


def test_a_drain_is_undone_first_then_standby_then_sleepers_then_launches() -> None:
    pool = [
        member("asleep", Tier.ASLEEP),
        member("standby", Tier.STANDBY),
        member("leaving", Tier.COLD, Transition.DRAINING),
    ]
    assert verbs(*pool, active=1, standby=1, asleep=1) == [(Verb.ACTIVATE, "leaving", Tier.ACTIVE)]
    assert verbs(*pool, active=2, asleep=1) == [
        (Verb.ACTIVATE, "leaving", Tier.ACTIVE),
        (Verb.ACTIVATE, "standby", Tier.ACTIVE),
    ]
    assert verbs(*pool, active=4)[2:] == [(Verb.WAKE, "asleep", Tier.ACTIVE), (Verb.LAUNCH, None, Tier.ACTIVE)]


def test_what_is_on_its_way_to_a_spare_tier_is_redirected_rather_than_launched_anew() -> None:
    for transition in STARTING:
        coming = member("coming", Tier.ASLEEP, transition)
        assert verbs(coming, active=1) == [(Verb.RETARGET, "coming", Tier.ACTIVE)]


def test_the_youngest_start_is_given_up_first() -> None:
    pool = [
        member("old", Tier.ACTIVE, Transition.LAUNCHING, since_s=1),
        member("young", Tier.ACTIVE, Transition.LAUNCHING, since_s=9),
        member("serving", Tier.ACTIVE),
    ]
    assert verbs(*pool, active=2) == [(Verb.STOP, "young", Tier.COLD)]


def test_a_surplus_start_goes_to_a_tier_that_is_short() -> None:
    pool = [member("starting", Tier.ACTIVE, Transition.LAUNCHING), member("serving", Tier.ACTIVE)]
    assert verbs(*pool, active=1, asleep=1) == [(Verb.RETARGET, "starting", Tier.ASLEEP)]


def test_the_least_loaded_drains_to_where_a_spare_is_short() -> None:
    pool = [member("busy", Tier.ACTIVE, load=9), member("idle", Tier.ACTIVE, load=1)]
    assert verbs(*pool, active=1) == [(Verb.DRAIN, "idle", Tier.COLD)]
    assert verbs(*pool, active=1, asleep=1) == [(Verb.DRAIN, "idle", Tier.ASLEEP)]
    assert verbs(*pool, active=1, standby=1, asleep=1)[0] == (Verb.DRAIN, "idle", Tier.STANDBY)


def test_a_surplus_standby_falls_asleep_where_sleepers_are_short_and_stops_elsewhere() -> None:
    standby = member("standby", Tier.STANDBY)
    assert verbs(standby, asleep=1) == [(Verb.SLEEP, "standby", Tier.ASLEEP)]
    assert verbs(standby, member("asleep", Tier.ASLEEP), asleep=1) == [(Verb.STOP, "standby", Tier.COLD)]


def test_a_launch_uses_up_a_warm_node_and_the_node_is_replaced_if_it_is_still_wanted() -> None:
    warm = member("warm", Tier.WARM_NODE)
    assert verbs(warm, active=1) == [(Verb.LAUNCH, "warm", Tier.ACTIVE)]
    assert verbs(warm, active=1, warm_node=1) == [
        (Verb.LAUNCH, "warm", Tier.ACTIVE),
        (Verb.LAUNCH, None, Tier.WARM_NODE),
    ]


avoided = st.lists(st.integers(0, 9).map(lambda i: f"r{i}"), max_size=4, unique=True).map(tuple)


@given(pools(), targets, avoided)
def test_those_to_be_avoided_leave_and_the_target_is_reached_without_them(
    members: list[Member], target: PoolTarget, names: tuple[str, ...]
) -> None:
    target = replace(target, avoid=names)
    for _ in range(2):
        members = settled(applied(members, reconcile(members, target)))
    assert numbers(members) == wanted(target)
    assert not {m.name for m in members} & set(names)
    assert reconcile(members, target) == []


@given(pools(), targets, avoided)
def test_asking_again_without_them_asks_for_nothing_twice(
    members: list[Member], target: PoolTarget, names: tuple[str, ...]
) -> None:
    target = replace(target, avoid=names)
    assert reconcile(applied(members, reconcile(members, target)), target) == []


def test_what_serves_drains_where_it_is_avoided_and_is_replaced_at_once() -> None:
    sick, well = member("sick", Tier.ACTIVE, load=3), member("well", Tier.ACTIVE)
    moves = reconcile([sick, well], PoolTarget("chat", "pool", 2, avoid=("sick",)))
    assert moves == [Move(Verb.DRAIN, "sick", Tier.COLD), Move(Verb.LAUNCH, None, Tier.ACTIVE)]


def test_of_equally_loaded_replicas_the_coldest_goes() -> None:
    fleet = [Member("warm", Tier.ACTIVE, None, 5.0, 2, 900), Member("cold", Tier.ACTIVE, None, 0.0, 2, 100)]
    assert [m.member for m in reconcile(fleet, PoolTarget("chat", "pool", 1))] == ["cold"]
    assert [m.member for m in reconcile([replace(fleet[0], load=1), fleet[1]], PoolTarget("chat", "pool", 1))] == [
        "warm"
    ]
