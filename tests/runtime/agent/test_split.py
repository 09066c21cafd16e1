"""Shares of a pool among machines: they add up, they fit where they can, and who did as told is told the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.agent.split import TIERS, Machine, Stay, split
from runtime.fleet import PoolTarget
from runtime.replica import Replica, Tier, Transition


def replica(name: str, tier: Tier = Tier.ACTIVE, transition: Transition | None = None) -> Replica:
    return Replica(name, "chat", "pool", tier, transition, 0.0, "http://x", "n", ())


def machine(name: str, room: int, **tiers: int) -> Machine:
    made = [replica(f"{name}-{field}-{i}", Tier(field)) for field, number in tiers.items() for i in range(number)]
    return Machine(name, room, tuple(made))


def target(**tiers: int) -> PoolTarget:
    return PoolTarget("chat", "pool", **{"active": 0, **tiers})


def counts(shares: dict[str, PoolTarget], field: str) -> dict[str, int]:
    return {name: getattr(share, field) for name, share in shares.items()}


def test_new_replicas_go_where_there_is_most_room() -> None:
    shares = split(target(active=3), [machine("a", 1), machine("b", 4)])
    assert counts(shares, "active") == {"a": 0, "b": 3}


def test_what_waits_is_made_active_before_anything_starts() -> None:
    shares = split(target(active=2), [machine("a", 8, active=1), machine("b", 2, standby=1)])
    assert counts(shares, "active") == {"a": 1, "b": 1}
    assert counts(shares, "standby") == {"a": 0, "b": 0}


def test_the_fullest_machine_lets_go_first() -> None:
    shares = split(target(active=3), [machine("a", 4, active=3), machine("b", 4, active=1)])
    assert counts(shares, "active") == {"a": 2, "b": 1}


def test_what_has_failed_counts_for_nothing() -> None:
    dead = Machine("a", 2, (replica("a1", transition=Transition.FAILED),))
    assert counts(split(target(active=1), [dead, machine("b", 4)]), "active") == {"a": 0, "b": 1}


def test_without_room_somebody_is_asked_all_the_same_so_that_the_lack_is_seen() -> None:
    shares = split(target(active=5), [machine("a", 1), machine("b", 2)])
    assert sum(counts(shares, "active").values()) == 5


def test_each_machine_is_told_of_its_own_that_must_leave() -> None:
    asked = PoolTarget("chat", "pool", 2, avoid=("a-active-0", "b-active-0"))
    shares = split(asked, [machine("a", 2, active=1), machine("b", 2, active=1)])
    assert {name: share.avoid for name, share in shares.items()} == {"a": ("a-active-0",), "b": ("b-active-0",)}


MACHINES = st.lists(
    st.builds(
        lambda room, numbers: (room, numbers),
        st.integers(0, 6),
        st.fixed_dictionaries({field: st.integers(0, 3) for field in TIERS.values()}),
    ),
    min_size=1,
    max_size=4,
).map(lambda rows: [machine(f"m{i}", room, **numbers) for i, (room, numbers) in enumerate(rows)])
TARGETS = st.fixed_dictionaries({field: st.integers(0, 6) for field in TIERS.values()}).map(lambda n: target(**n))


@given(TARGETS, MACHINES)
def test_shares_add_up_to_the_target(asked: PoolTarget, machines: list[Machine]) -> None:
    shares = split(asked, machines)
    for field in TIERS.values():
        assert sum(counts(shares, field).values()) == getattr(asked, field)
        assert min(counts(shares, field).values()) >= 0


@given(TARGETS, MACHINES)
def test_who_did_as_told_is_told_the_same(asked: PoolTarget, machines: list[Machine]) -> None:
    shares = split(asked, machines)
    done = [
        machine(m.name, m.room, **{field: getattr(shares[m.name], field) for field in TIERS.values()}) for m in machines
    ]
    assert split(asked, done) == shares


@given(TARGETS, st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_empty_machines_are_not_filled_beyond_their_room(asked: PoolTarget, rooms: list[int]) -> None:
    machines = [Machine(f"m{i}", room) for i, room in enumerate(rooms)]
    shares = split(asked, machines)
    held = {name: sum(getattr(share, field) for field in TIERS.values()) for name, share in shares.items()}
    if sum(held.values()) <= sum(rooms):
        assert all(held[m.name] <= m.room for m in machines)


def leaves(machine: Machine, stay: Stay = Stay.LEAVING) -> Machine:
    return replace(machine, stay=stay)


def test_who_leaves_keeps_as_many_as_the_others_do_not_serve_yet() -> None:
    some = [machine("a", 4, active=1), leaves(machine("b", 4, active=3, standby=1))]
    shares = split(target(active=3, standby=1), some)
    assert counts(shares, "active") == {"a": 3, "b": 2} and counts(shares, "standby") == {"a": 1, "b": 0}


def test_where_all_leave_they_stay_as_they_are_and_where_all_end_there_is_none() -> None:
    here = machine("a", 4, active=2)
    assert counts(split(target(active=2), [leaves(here)]), "active") == {"a": 2}
    with pytest.raises(ValueError, match="no machine to run it on"):
        split(target(active=2), [leaves(here, Stay.ENDING)])


@given(st.integers(0, 6), st.lists(st.tuples(st.integers(0, 4), st.sampled_from(Stay)), min_size=1, max_size=5))
def test_emptying_never_takes_from_what_serves_below_the_target(active: int, has: list[tuple[int, Stay]]) -> None:
    """Unless a machine ends, which takes what it has with it."""
    some = [leaves(machine(f"m{i}", 4, active=n), stay) for i, (n, stay) in enumerate(has) if stay is not Stay.ENDING]
    if not some:
        return
    shares = split(target(active=active), some)
    serving = sum(min(one.serving(), shares[one.name].active) for one in some)
    assert serving >= min(active, sum(one.serving() for one in some))
