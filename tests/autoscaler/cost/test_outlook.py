"""The months to come: a trend is found with its doubt, a quota's end is told, and what to buy follows from hours."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoscaler.cost.outlook import DAYS, daily_peaks, line_through, outlook, purchase
from autoscaler.planning.prices import Offer

OFFER = Offer("H100", "AWS", "p5", "us-east-1", 7.0, None, 4.0, "2026-11", "list")


def hours(days: int, growth: float = 0.0, base: float = 20.0, noise: float = 0.0) -> dict[int, float]:
    random = np.random.default_rng(1)
    return {
        3600 * h: base * math.exp(growth * (h // 24) + noise * random.standard_normal()) * (1 if h % 24 == 9 else 0.5)
        for h in range(24 * days)
    }


def test_a_steady_fleet_stays() -> None:
    found = outlook("H100", hours(30), 100)
    assert found is not None
    assert [found.peak_gpus, found.growth_per_30_days] == pytest.approx([20.0, 0.0], abs=1e-9)
    assert len(found.days) == DAYS
    assert found.days[-1].p90 == pytest.approx(20.0)
    assert (found.out_s, found.early_s) == (None, None)


def test_growth_is_found_and_the_quota_ends() -> None:
    found = outlook("H100", hours(30, growth=0.01, noise=0.05), 40)
    assert found is not None
    assert found.growth_per_30_days == pytest.approx(math.expm1(0.3), abs=0.1)
    assert found.out_s is not None
    assert found.early_s is not None
    # 20·e^(0.01·d) passes 40 on day 69.3.
    assert abs(found.out_s / 86400 - 69.3) < 6
    assert found.early_s < found.out_s


def test_the_band_widens() -> None:
    found = outlook("H100", hours(30, noise=0.1), None)
    assert found is not None
    first, last = found.days[0], found.days[-1]
    assert first.p10 < first.p50 < first.p90
    assert last.p90 / last.p50 > first.p90 / first.p50
    assert found.out_s is None


def test_a_few_days_are_no_trend() -> None:
    found = outlook("H100", hours(5, growth=0.2), None)
    assert found is not None
    assert found.growth_per_30_days is None
    assert found.days[-1].p50 == pytest.approx(found.days[0].p50)


def test_without_a_whole_day_nothing_is_told() -> None:
    assert outlook("H100", {0: 5.0}, None) is None
    assert daily_peaks({3600 * h: 1.0 for h in range(30)}) == {0: 1.0}


def test_one_day_alone_has_no_band() -> None:
    line = line_through(np.array([8.0]))
    assert line.quantile(90, 0.9) == pytest.approx(8.0)


def test_what_is_used_all_the_time_is_reserved() -> None:
    known = hours(30)
    ahead = outlook("H100", known, None)
    assert ahead is not None
    bought = purchase("H100", known, OFFER, 0.5, ahead)
    assert bought.mix.reserved == 10
    assert bought.mix.usd_per_hour == pytest.approx(10 * 4.0 + 10 / 24 * 7.0)
    assert bought.mix.saving > 0.3
