"""The virtual fleet: nobody comes before the lead time, nobody is counted twice, targets are reached."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import TierCounts
from autoscaler.lateness import launch_mean_s
from autoscaler.shadow.fleet import VirtualFleet, arrived, beginning, follow
from runtime.fleet import PoolTarget
from runtime.replica import Tier
from tests.autoscaler.cases import NOW_S, POOL

LAUNCH_S = launch_mean_s(POOL)

few = st.integers(0, 12)
targets = st.builds(PoolTarget, st.just("chat"), st.just(POOL.name), few, few, st.just(0)) | st.builds(
    PoolTarget, st.just("chat"), st.just(POOL.name), few, st.just(0), few
)


def to(active: int, standby: int = 0, asleep: int = 0) -> PoolTarget:
    return PoolTarget("chat", POOL.name, active, standby, asleep)


def held(fleet: VirtualFleet) -> int:
    counts = fleet.counts()
    return counts.active + counts.standby + counts.asleep + counts.launching + counts.waking + counts.preparing


@given(st.lists(st.tuples(targets, st.floats(1, 400)), min_size=1, max_size=12))
def test_after_every_target_so_many_are_held_as_it_says(steps: list[tuple[PoolTarget, float]]) -> None:
    fleet, at_s = VirtualFleet(active=2), NOW_S
    for target, seconds in steps:
        fleet = follow(arrived(fleet, at_s), target, POOL, at_s)
        assert fleet.wanted == target.active
        assert held(fleet) == target.active + target.standby + target.asleep
        assert min(fleet.active, fleet.spare) >= 0
        at_s += seconds
    last = steps[-1][0]
    settled = arrived(fleet, at_s + 2 * LAUNCH_S).counts()
    assert settled == TierCounts(active=last.active, standby=last.standby, asleep=last.asleep)


def test_a_start_takes_the_mean_lead_time_and_is_held_meanwhile() -> None:
    fleet = follow(VirtualFleet(active=2), to(5), POOL, NOW_S)
    assert fleet.counts() == TierCounts(active=2, launching=3)
    assert arrived(fleet, NOW_S + LAUNCH_S - 1).active == 2
    assert arrived(fleet, NOW_S + LAUNCH_S + 1).counts() == TierCounts(active=5)


def test_spares_are_taken_first_and_filled_up_again() -> None:
    fleet = follow(VirtualFleet(active=2, spare=2), to(5, standby=2), POOL, NOW_S)
    assert fleet.counts() == TierCounts(active=2, waking=2, launching=1, preparing=2)
    assert arrived(fleet, NOW_S + 5).active == 4


def test_the_youngest_starts_are_given_up_before_anybody_leaves() -> None:
    older = follow(VirtualFleet(active=2), to(3), POOL, NOW_S)
    both = follow(older, to(5), POOL, NOW_S + 60)
    assert follow(both, to(3), POOL, NOW_S + 70) == older
    assert follow(both, to(1), POOL, NOW_S + 70).counts() == TierCounts(active=1)


def test_who_leaves_fills_the_spares() -> None:
    fleet = follow(VirtualFleet(active=4), to(2, asleep=1), POOL, NOW_S)
    assert fleet.counts() == TierCounts(active=2, asleep=1)
    assert fleet.spare_tier is Tier.ASLEEP


def test_it_begins_as_the_real_fleet() -> None:
    counts = TierCounts(active=3, standby=1, warm_node=2, launching=2, draining=1, failed=1)
    assert beginning(counts, POOL, NOW_S).counts() == replace(counts, draining=0, failed=0)
