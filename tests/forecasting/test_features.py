"""Features: nothing of the future, no clock, no unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.features import features
from forecasting.history import History, Target
from tests.forecasting.series import diurnal, minutes

TARGET = Target((1, 15, 60), (0.5, 0.95))
ROOTS = np.sqrt(diurnal(minutes(8.5), seed=4))
LAST = len(ROOTS) - 1


def test_one_origin_is_seen_as_among_many() -> None:
    history = History(60.0, 0, ROOTS)
    many, one = features(history, LAST - 500, LAST, TARGET), features(history, LAST - 100, LAST - 100, TARGET)
    assert one.common[0] == pytest.approx(many.common[400], abs=1e-9)
    assert one.own[0] == pytest.approx(many.own[400], abs=1e-9)


def test_what_comes_later_changes_nothing() -> None:
    told, later = History(60.0, 0, ROOTS[:-600]), History(60.0, 0, ROOTS)
    at = LAST - 600
    assert (features(told, at, at, TARGET).common == features(later, at, at, TARGET).common).all()
    assert (features(told, at, at, TARGET).own == features(later, at, at, TARGET).own).all()


@given(st.integers(-20, 20), st.sampled_from([0.25, 4.0]))
def test_no_clock_and_no_unit_enters(hours: int, factor: float) -> None:
    here = features(History(60.0, 0, ROOTS), LAST - 5, LAST, TARGET)
    there = features(History(60.0, 60 * hours, factor * ROOTS), LAST - 5 + 60 * hours, LAST + 60 * hours, TARGET)
    assert there.common == pytest.approx(factor * here.common) and there.own == pytest.approx(factor * here.own)


def test_gaps_show_the_value_before_them_and_a_missing_day_shows_no_difference() -> None:
    holed = ROOTS.copy()
    holed[LAST - 30 : LAST - 10] = np.nan
    filled = holed.copy()
    filled[LAST - 30 : LAST - 10] = ROOTS[LAST - 31]
    seen, expected = (features(History(60.0, 0, roots), LAST, LAST, TARGET) for roots in (holed, filled))
    assert (seen.common == expected.common).all()
    assert not features(History(60.0, 0, ROOTS[:600]), 599, 599, TARGET).own.any()
    holed[LAST] = np.nan
    assert np.isnan(features(History(60.0, 0, holed), LAST, LAST, TARGET).now).all()
