"""Tables name what they show, and a dash is what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from app.forecasts import tables
from tests.app.forecasts.evaluations import evaluation


def test_every_row_has_a_cell_for_every_column() -> None:
    for table in tables.tables(evaluation()):
        assert table.title.startswith("value at the horizon: ")
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_losses_are_relative_to_last_value() -> None:
    table = tables.losses(evaluation())
    assert table.columns == ("forecast", "10 min", "60 min", "≥ 5 min", "/ seasonal naive", "MASE")
    (last,) = (row for row in table.rows if row[0] == "naive")
    assert last[1:4] == ("1.000",) * 3


def test_coverage_is_told_by_horizon_and_by_week() -> None:
    table = tables.coverages(evaluation())
    assert [row[0] for row in table.rows] == ["10 min", "60 min", "week 1 (3 d), least", "week 1 (3 d), most"]
    low, high = (np.array(row[1:], float) for row in table.rows[2:])
    assert (low <= high).all()


def test_the_worst_is_that_of_the_high_quantiles() -> None:
    covered = np.array([[0.2, 0.90, 0.97], [0.5, 0.93, 0.95]])
    assert tables.worst(covered, (0.5, 0.9, 0.95)) == pytest.approx(0.03)


def test_the_maximum_is_called_so() -> None:
    assert tables.what(evaluation(peak=True)) == "greatest value within the horizon"
