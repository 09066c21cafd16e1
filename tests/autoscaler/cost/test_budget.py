"""Budgets: months, forecasts with a band, and when to tell somebody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from autoscaler.cost.budget import Budget, State, month, standing

START = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
DAY = 86400


def hours(days: float, usd: float = 1.0) -> dict[int, float]:
    return {int(START) + 3600 * hour: usd for hour in range(round(24 * days))}


def test_months() -> None:
    assert month(START + 5) == (START, datetime(2026, 12, 1, tzinfo=UTC).timestamp())
    december = datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp()
    assert month(december)[1] == datetime(2027, 1, 1, tzinfo=UTC).timestamp()


def test_a_steady_month_is_forecast_by_its_days() -> None:
    found = standing(Budget("all", 1000), hours(10), START + 10 * DAY)
    assert found.spent_usd == 240.0
    assert [found.forecast_usd, found.low_usd, found.high_usd] == pytest.approx([720.0] * 3)
    assert (found.state, found.alert, found.over_at_s) == (State.OK, False, None)


@pytest.mark.parametrize(
    ("usd", "state"), [(700, State.HEADING_OVER), (290, State.NEARLY_SPENT), (239, State.OVER), (721, State.OK)]
)
def test_states(usd: float, state: State) -> None:
    assert standing(Budget("all", usd), hours(10), START + 10 * DAY).state is state


def test_when_it_will_be_spent() -> None:
    found = standing(Budget("all", 480), hours(10), START + 10 * DAY)
    assert found.over_at_s == pytest.approx(START + 20 * DAY)


def test_unlike_days_widen_the_band() -> None:
    costs = hours(10) | dict.fromkeys(hours(2), 3.0)
    found = standing(Budget("all", 5000), costs, START + 10 * DAY)
    assert found.low_usd is not None
    assert found.high_usd is not None
    assert found.low_usd < (found.forecast_usd or 0) < found.high_usd


def test_too_little_is_known_to_forecast() -> None:
    found = standing(Budget("all", 1000), hours(0.5), START + DAY / 2)
    assert (found.forecast_usd, found.state, found.alert) == (None, State.UNKNOWN, False)
    one_day = standing(Budget("all", 1000), hours(1), START + DAY)
    assert one_day.forecast_usd == pytest.approx(720)
    assert one_day.high_usd is None


def test_hours_that_were_not_metered_spoil_their_day_alone() -> None:
    costs = hours(3)
    del costs[int(START) + 3600 * 30]
    assert standing(Budget("all", 1000), costs, START + 3 * DAY).forecast_usd == pytest.approx(71 + 27 * 24)
