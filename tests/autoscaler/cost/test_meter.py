"""A tick's part: hours are cut, states are told apart, idle racks are charged by risk, and nothing is made up."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost.meter import Rates, Stretch, held, idle_in_rack, stretches, used
from runtime.pool import LeadTime
from runtime.rack import Rack
from runtime.replica import Replica, Tier, Transition
from tests.autoscaler.cost.cases import POOL

STRETCH = Stretch(0, 15_000)
RACK = Rack("r", "H100", 3.0, 8, 16, LeadTime(60, 90), lent_share=0.5)


def replica(tier: Tier, transition: Transition | None = None, pool: str = "h100") -> Replica:
    return Replica("a", "chat", pool, tier, transition, 0.0, "http://x", "n", ("g0", "g1"))


@given(st.floats(0, 2e9), st.floats(0, 9000))
def test_stretches_sum_to_the_time_between(start: float, length: float) -> None:
    found = stretches(start, start + length)
    assert sum(one.ms for one in found) == round((start + length) * 1000) - round(start * 1000)
    assert all(0 < one.ms <= 3_600_000 and one.hour_s % 3600 == 0 for one in found)


def test_a_tick_over_the_hour_is_cut() -> None:
    assert stretches(3595, 3610) == [Stretch(0, 5000), Stretch(3600, 10_000)]


def test_time_goes_to_states_at_their_holding_share() -> None:
    pool = replace(POOL, holding_share={Tier.ASLEEP: 0.25})
    there = [replica(Tier.ACTIVE), replica(Tier.ASLEEP), replica(Tier.ACTIVE, Transition.LAUNCHING)]
    [row] = held(STRETCH, "chat", [pool], there, 0.4)
    assert row.charged == {
        "active": 30_000, "standby": 0, "asleep": 7_500, "warm_node": 0, "moving": 30_000, "shared": 0
    }  # fmt: skip
    assert (row.held_ms, row.busy_ms, row.seen_ms, row.micro_usd) == (90_000, 12_000, 30_000, 3_000_000)


def test_a_load_that_was_not_seen_is_not_made_up() -> None:
    [row] = held(STRETCH, "chat", [POOL], [replica(Tier.ACTIVE)], None)
    assert (row.busy_ms, row.seen_ms) == (0, 0)


def test_a_load_beyond_capacity_is_all_of_it() -> None:
    [row] = held(STRETCH, "chat", [POOL], [replica(Tier.ACTIVE)], 1.7)
    assert row.busy_ms == row.seen_ms == 30_000


def test_replicas_of_unknown_pools_are_the_first_ones() -> None:
    other = replace(POOL, name="l4")
    rows = held(STRETCH, "chat", [POOL, other], [replica(Tier.ACTIVE, pool="gone"), replica(Tier.COLD, pool="l4")], 0.5)
    assert [(row.pool, row.held_ms) for row in rows] == [("h100", 30_000), ("l4", 0)]


def test_idle_gpus_of_a_rack_are_charged_by_the_risk_they_cover() -> None:
    rows = idle_in_rack(STRETCH, RACK, 4, {"chat": 3.0, "code": 1.0, "mail": 0.0})
    assert [(row.service, row.charged["shared"]) for row in rows] == [("chat", 22_500), ("code", 7_500), ("mail", 0)]
    assert sum(row.held_ms for row in rows) == 60_000


def test_without_any_risk_the_rack_is_everybodys() -> None:
    assert [row.held_ms for row in idle_in_rack(STRETCH, RACK, 4, {"chat": 0.0, "code": 0.0})] == [30_000, 30_000]
    assert idle_in_rack(STRETCH, RACK, 0, {"chat": 1.0}) == []


def test_tokens_that_are_not_known_are_no_zeros() -> None:
    told = used(STRETCH, "chat", Rates(100.0, None, 10.0, 1.0), None, 30_000)
    assert (told.input_tokens, told.tokens_ms, told.cached_ms, told.joules_gpu_ms) == (1500.0, 15_000, 0, 0)
    lost = used(STRETCH, "chat", Rates(None, 5.0, 10.0, None), 4.5, 30_000)
    assert (lost.output_tokens, lost.tokens_ms, lost.joules, lost.joules_gpu_ms) == (0.0, 0, 4.5, 30_000)
