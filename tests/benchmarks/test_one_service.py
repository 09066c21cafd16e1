"""Costs are compared at the same attainment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import one_service
from benchmarks.equal import cost_at
from benchmarks.keeping import Kept
from benchmarks.one_service import Bench, Job, around, interval


def row(attainment: float, gpu_hours: float = 100.0) -> dict[str, Any]:
    return {"attainment": attainment, "gpu_hours": gpu_hours, "requests": 1000}


def test_cost_at_an_attainment_lies_between_its_neighbours_on_the_missed_share() -> None:
    found = cost_at([row(0.98, 100.0), row(0.9975, 400.0), row(0.9, 50.0)], 0.99293)
    assert found is not None
    how, hours = found
    # Missed 2 % and 0.25 %, three halvings apart; 0.707 % is half way between them.
    assert how == "=" and hours == pytest.approx(250.0, rel=0.01)


def test_of_settings_that_attain_more_the_cheapest_counts() -> None:
    found = cost_at([row(0.99, 100.0), row(0.98, 90.0), row(0.995, 120.0)], 0.99)
    assert found is not None and found[1] == pytest.approx(100.0)


def test_where_nobody_attains_it_the_nearest_is_a_lower_bound() -> None:
    assert cost_at([row(0.9, 50.0), row(0.95, 70.0)], 0.99) == ("≥", 70.0)


def test_where_all_attain_more_nothing_can_be_said() -> None:
    assert cost_at([row(0.995), row(0.999)], 0.99) is None


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose peer attains more, the higher its knob; ``asked`` is what was played."""

    def rows(_: Bench, jobs: list[Job]) -> list[dict[str, Any]]:
        asked.extend(jobs)
        return [row(0.9 + (job.knob or 0) / 1000) for job in jobs]

    asked.clear()
    monkeypatch.setattr(Bench, "rows", rows)
    monkeypatch.setattr(one_service, "knobs", lambda who: (8.0, 16.0, 32.0, 64.0, 90.0))
    return Bench(Path("traces"), Kept(Path("kept"), "now", 1))


asked: list[Job] = []


@pytest.mark.parametrize(("target", "last"), [(0.93, 32.0), (0.97, 90.0), (0.91, 8.0)])
def test_the_knob_is_walked_until_the_target_lies_between_two(bench: Bench, target: float, last: float) -> None:
    shares = [r["attainment"] for r in around(bench, "m-small@60", "hpa", 16.0, target)]
    assert min(shares) <= target <= max(shares)
    assert last in {job.knob for job in asked}


def test_a_mean_of_one_has_no_interval() -> None:
    assert interval([1234.5], 1) == "1,234.5"
    assert interval([1.0, 2.0, 3.0], 1) == "2.0 ± 2.5"
