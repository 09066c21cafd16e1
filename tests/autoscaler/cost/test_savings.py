"""Savings: a fleet that follows a swinging load saves against its peak, and says how sure that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.cost.savings import DAY_MINUTES, Day, added, days_of, savings
from autoscaler.policy import Policy
from tests.autoscaler.cases import POOL

POLICY = Policy.model_validate({"replicas": {"min": 1, "max": 50}})
SWING = 3 + 2.5 * np.sin(np.arange(DAY_MINUTES) / DAY_MINUTES * 2 * np.pi)


def days(count: int, usd: float) -> list[Day]:
    return [Day(86400 * i, SWING * (1 + 0.1 * (i % 3)), usd) for i in range(count)]


def test_the_peak_all_day_costs_more_than_following_the_load() -> None:
    hpa, static = savings(days(6, 100.0), POOL, POLICY, (500.0, 200.0), 1)
    assert (hpa.against, static.against) == ("hpa", "static-peak")
    assert hpa.counterfactual_usd < static.counterfactual_usd
    assert static.attainment == 1.0
    assert hpa.attainment >= POLICY.slo.attainment


def test_the_saving_is_the_difference_within_its_interval() -> None:
    for one in savings(days(8, 150.0), POOL, POLICY, (500.0, 200.0), 1):
        assert one.saved_usd == pytest.approx(one.counterfactual_usd - one.actual_usd)
        assert one.low_usd < one.saved_usd < one.high_usd
        assert one.days == 8


def test_the_same_seed_gives_the_same_interval() -> None:
    first, again = (savings(days(4, 150.0), POOL, POLICY, (500.0, 200.0), 7) for _ in range(2))
    assert first == again


def test_without_a_whole_day_there_is_nothing_to_say() -> None:
    assert savings([], POOL, POLICY, (500.0, 200.0), 1) == []


def test_days_with_gaps_are_left_out_and_short_gaps_filled() -> None:
    times = np.arange(60.0, 60.0 * (2 * DAY_MINUTES + 1), 60.0, dtype=np.float64)
    load = np.ones(2 * DAY_MINUTES)
    load[10:15] = np.nan
    load[DAY_MINUTES + 100 : DAY_MINUTES + 200] = np.nan
    [found] = days_of(times, load, {0: 5.0, 86400: 6.0})
    assert (found.start_s, found.usd, float(found.erlangs.min())) == (0, 5.0, 1.0)


def test_services_are_added() -> None:
    parts = [savings(days(4, usd), POOL, POLICY, (500.0, 200.0), 1) for usd in (100.0, 50.0)]
    hpa, _ = added(parts)
    assert hpa.saved_usd == pytest.approx(parts[0][0].saved_usd + parts[1][0].saved_usd)
    assert replace(hpa, setting="") == replace(added(parts)[0], setting="")
    assert added([]) == []
