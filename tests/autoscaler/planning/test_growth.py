"""Growth: stated or estimated, in bands, and the year that it makes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoscaler.planning.carry import Carried, carry
from autoscaler.planning.growth import BANDS, WEEK, Growth, Year, estimated, stated, year
from autoscaler.planning.prices import Offer
from autoscaler.planning.traffic import of_numbers
from forecasting.series import Series
from tests.autoscaler.planning.cases import asked, candidate, offer


def series(weekly: list[float], gap: slice = slice(0, 0)) -> Series:
    requests = np.repeat(np.array(weekly), WEEK)
    requests[gap] = np.nan
    return Series("s", 0, requests, requests, requests)


def carried(price: Offer | None = None) -> Carried:
    made = carry(candidate(price=price), of_numbers(60.0, 1000.0, 200.0, 2.0), asked())
    assert isinstance(made, Carried)
    return made


def planned(growth: Growth, price: Offer | None = None) -> Year:
    return year(carried(price), asked(), 60.0, growth)


def test_a_stated_rate_is_reached_after_a_year() -> None:
    growth = stated(0.5, 0.0)
    assert growth.factor(1.0, 0.5) == pytest.approx(1.5) and growth.factor(0.0, 0.9) == 1.0
    assert growth.factor(1.0, 0.1) == growth.factor(1.0, 0.9)


def test_its_uncertainty_grows_with_time() -> None:
    """0.3/1.5 = 0.2 on the log scale; P90 lies 1.2816 standard deviations above."""
    growth = stated(0.5, 0.3)
    assert growth.factor(1.0, 0.9) == pytest.approx(1.5 * math.exp(1.28155 * 0.2), rel=1e-4)
    assert growth.factor(0.5, 0.9) / growth.factor(0.5, 0.5) == pytest.approx(math.exp(1.28155 * 0.1), rel=1e-4)


def test_steady_growth_is_found_in_a_series() -> None:
    found = estimated(series([100 * 1.01**week for week in range(12)]))
    assert found is not None and found.rate == pytest.approx(52.18 * math.log(1.01), rel=1e-3)
    assert found.walk_sd == pytest.approx(0.0, abs=1e-9) and found.source == "estimated from 12 weeks"


def test_an_unsteady_series_is_a_wide_band() -> None:
    """Steps of ±0.1 in turn: σ about 0.1 a week, √(h·(1 + h/n)) after h = 26 of n = 11 weeks is 9.4."""
    found = estimated(series([100 * math.exp(0.1 * (week % 2)) for week in range(12)]))
    assert found is not None
    sd = math.log(found.factor(0.5, 0.9) / found.factor(0.5, 0.5)) / 1.28155
    steps = np.diff([0.1 * (week % 2) for week in range(12)])
    h = 365.25 / 7 / 2
    assert sd == pytest.approx(steps.std(ddof=1) * math.sqrt(h * (1 + h / 11)), rel=1e-3)


def test_too_few_weeks_or_a_long_outage_tell_nothing() -> None:
    assert estimated(series([100.0] * 7)) is None
    assert estimated(series([100.0] * 10, slice(4 * WEEK, 5 * WEEK))) is None


def test_a_short_gap_does_not_matter() -> None:
    found = estimated(series([100.0] * 10, slice(4 * WEEK, 4 * WEEK + 600)))
    assert found is not None and found.rate == pytest.approx(0.0, abs=1e-9)


def test_without_growth_every_month_is_the_same() -> None:
    made = planned(stated(0.0, 0.0))
    assert len(made.months) == 12 and len({month["P50"].usd for month in made.months}) == 1
    assert made.months[0]["P50"].mean_replicas == pytest.approx(carried().mean_replicas)
    assert made.total_usd("P50") == pytest.approx(8760 * carried().usd_per_hour)


def test_bands_are_in_order_and_months_grow() -> None:
    made = planned(stated(0.8, 0.4))
    for month in made.months:
        assert month["P10"].usd <= month["P50"].usd <= month["P90"].usd
        assert month["P10"].rps < month["P50"].rps < month["P90"].rps
    assert made.months[-1]["P50"].usd > made.months[0]["P50"].usd
    assert made.total_usd("P50") == pytest.approx(sum(month["P50"].usd for month in made.months))


def test_a_commitment_is_one_number_for_the_whole_year() -> None:
    made = planned(stated(1.0, 0.0), offer(3.0, reserved=2.0))
    assert made.mix.reserved > carry_now_reserved()
    weighted = sum(month[band].usd * weight for month in made.months for band, (_, weight) in BANDS.items())
    assert weighted == pytest.approx(8760 * made.mix.usd_per_hour, rel=1e-6)


def carry_now_reserved() -> int:
    return carried(offer(3.0, reserved=2.0)).mix.reserved


def test_over_the_year_the_mix_never_costs_more() -> None:
    made = planned(stated(0.5, 0.5), offer(3.0, 1.2, 2.0))
    assert 0 < made.mix.saving < 1 and made.mix.usd_per_hour <= made.mix.all_on_demand_usd
    assert sum(weight for _, weight in BANDS.values()) == pytest.approx(1)
