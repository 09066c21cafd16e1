"""What equal attainment costs is read off between the points that were played."""

from __future__ import annotations

import pytest

from benchmarks.foresight import FORESIGHT, compared, curves, equal


def test_costs_are_compared_where_all_curves_have_points() -> None:
    levels = equal({"a": [(0.98, 100.0), (0.99, 200.0)], "b": [(0.985, 120.0), (0.995, 160.0)]})
    assert [level for level, _ in levels] == pytest.approx([0.985, 0.98625, 0.9875, 0.98875, 0.99])
    assert levels[0][1] == pytest.approx([150.0, 120.0]) and levels[-1][1] == pytest.approx([200.0, 140.0])


def test_without_attainments_in_common_nothing_is_compared() -> None:
    assert equal({"a": [(0.98, 1.0), (0.99, 2.0)], "b": [(0.992, 1.0), (0.995, 2.0)]}) == []


def test_points_are_ordered_by_attainment_and_shares_are_averaged() -> None:
    rows = [
        {"policy": name, "attainment": at, "cost_usd": 100 * factor * (1 + at)}
        for name, factor in zip(FORESIGHT, (1.0, 0.9, 0.8), strict=True)
        for at in (0.99, 0.98)
    ]
    played = curves(rows)
    assert [at for at, _ in played["all experts"]] == [0.98, 0.99]
    shares = [list(column.cells)[-1] for column in compared("a day", equal(played)).columns]
    assert shares == ["mean share", "1.000", "0.900", "0.800"]
