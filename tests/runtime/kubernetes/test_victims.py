"""Who goes is who the recorded controller removed, and a cost chooses where it can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.fleet import PoolTarget
from runtime.kubernetes.pods import PodState, Situation, state
from runtime.kubernetes.victims import LEAST, by_number, cost_below, order, removed
from runtime.replica import Tier
from tests.runtime.kubernetes.recordings import items


def pods(name: str) -> list[PodState]:
    return [state(pod) for pod in items(name)]


def numbered(*situations: Situation) -> list[PodState]:
    base = pods("deletion-cost-1-pods-before")[0]
    return [replace(base, name=f"p{i}", ordinal=i, situation=s) for i, s in enumerate(situations)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deletion-cost-5-pods-with-pending", "deletion-cost-7-pods-after"),
        ("deletion-cost-1-pods-before", "deletion-cost-4-pods-after"),
    ],
)
def test_the_recorded_controller_is_foretold(before: str, after: str) -> None:
    had = pods(before)
    left = {pod.name for pod in pods(after) if pod.counted}
    (gone,) = {pod.name for pod in had} - left
    # The first recording has its cost set between the two lists.
    chosen = {gone} if before == "deletion-cost-1-pods-before" else set()
    assert removed(had, 1, chosen, ordinal=False)[0].name == gone


def test_without_a_cost_the_younger_goes() -> None:
    assert order(pods("deletion-cost-1-pods-before"))[0].name.endswith("pgt4w")


def test_a_cost_is_below_everybody_elses() -> None:
    one, two = pods("deletion-cost-1-pods-before")
    assert cost_below([one, two], {one.name}) == -1
    assert cost_below([one, replace(two, cost=-500)], {one.name}) == -501
    assert cost_below([replace(one, cost=-900), two], {one.name}) == -1
    assert cost_below([one, replace(two, cost=LEAST)], {one.name}) is None


def test_a_numbered_workload_loses_its_highest() -> None:
    here = numbered(Situation.READY, Situation.STARTING, Situation.READY)
    assert [pod.name for pod in removed(here, 2, {"p0"}, ordinal=True)] == ["p2", "p1"]


def test_the_lowest_numbers_serve_and_the_highest_go() -> None:
    here = numbered(*[Situation.READY] * 4)
    tiers = list(by_number(here, PoolTarget("s", "p", 1, 1, 1)).values())
    assert tiers == [Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP, Tier.COLD]


def test_a_high_one_that_serves_stays_while_a_lower_one_starts() -> None:
    here = numbered(Situation.STARTING, Situation.READY, Situation.READY)
    assert set(by_number(here, PoolTarget("s", "p", 1)).values()) == {Tier.ACTIVE}


def test_who_is_avoided_goes_whatever_its_number() -> None:
    here = numbered(*[Situation.READY] * 3)
    goals = by_number(here, PoolTarget("s", "p", 2, avoid=("p0",)))
    assert goals == {"p0": Tier.COLD, "p1": Tier.ACTIVE, "p2": Tier.ACTIVE}
