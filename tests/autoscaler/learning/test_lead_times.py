"""Lead times lean on the configured figures until there are measurements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.learning.lead_times import NEWEST, blend, lead_times, measured, transition
from runtime.fleet import LeadTimeSample
from runtime.pool import LeadTime
from runtime.replica import Tier, Transition
from tests.app.fakes import POOL, START_S

PRIOR = LeadTime(60.0, 120.0)


def test_without_measurements_the_pool_s_own_hold() -> None:
    assert lead_times(POOL, ()) == POOL.lead_times


def test_many_measurements_outweigh_the_prior() -> None:
    found = blend(PRIOR, [300.0] * 200)
    assert found.p50_s == pytest.approx(300.0, rel=0.06)


def test_one_measurement_moves_it_a_little() -> None:
    assert 60 < blend(PRIOR, [300.0]).p50_s < 100


def test_only_the_pool_s_own_samples_of_the_tier_count() -> None:
    samples = [
        LeadTimeSample("chat-h100", Tier.COLD, 240.0, START_S),
        LeadTimeSample("other", Tier.COLD, 9999.0, START_S),
    ]
    found = lead_times(POOL, samples)
    assert found[Tier.STANDBY] == POOL.lead_times[Tier.STANDBY]
    assert 60 < found[Tier.COLD].p50_s < 240


@given(st.floats(0, 1e3), st.floats(0, 1e3), st.lists(st.floats(0, 1e4), max_size=60))
def test_the_median_is_never_above_the_90th_percentile(p50_s: float, more_s: float, seconds: list[float]) -> None:
    found = blend(LeadTime(p50_s, p50_s + more_s), seconds)
    assert 0 <= found.p50_s <= found.p90_s


def test_measurements_are_counted_by_tier_and_only_the_pool_s_own() -> None:
    samples = [LeadTimeSample("chat-h100", Tier.COLD, 60.0, START_S)] * 70
    samples += [LeadTimeSample("other", Tier.STANDBY, 1.0, START_S)]
    assert measured(POOL, samples) == {Tier.STANDBY: 0, Tier.COLD: NEWEST}


def test_a_tier_is_left_by_waking_or_by_launching() -> None:
    assert transition(Tier.COLD) == transition(Tier.WARM_NODE) == Transition.LAUNCHING
    assert transition(Tier.ASLEEP) == transition(Tier.STANDBY) == Transition.WAKING
