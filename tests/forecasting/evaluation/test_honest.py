"""What chance allows an honest forecast."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from forecasting.evaluation.honest import _greatest, walk_quantiles, worst_misses
from forecasting.history import Target

TAUS = (0.9, 0.99)


def strays(cells: int, horizons: tuple[int, ...], peak: bool = False) -> float:
    known = np.ones((cells, len(horizons)), dtype=bool)
    return float(np.median(worst_misses(known, Target(horizons, TAUS, peak), 60)))


def test_quantiles_of_a_walk_are_those_of_the_normal_distribution() -> None:
    found = walk_quantiles(Target((1, 16), TAUS, peak=False), np.random.default_rng(1))
    exact = np.array([NormalDist().inv_cdf(tau) for tau in TAUS])
    assert found[0] == pytest.approx(exact, abs=0.03) and found[1] == pytest.approx(4 * exact, abs=0.12)


def test_the_greatest_value_of_a_walk_lies_higher() -> None:
    rng = np.random.default_rng(1)
    end, peak = (walk_quantiles(Target((1, 16), TAUS, peak), rng) for peak in (False, True))
    assert peak[0] == pytest.approx(end[0], abs=0.03) and (peak[1] > end[1]).all()


@pytest.mark.parametrize("horizon", [1, 2, 5, 8])
def test_the_greatest_of_what_follows(horizon: int) -> None:
    walk = np.random.default_rng(2).normal(size=40)
    wanted = [walk[i + 1 : i + 1 + horizon].max() for i in range(40 - horizon)]
    assert _greatest(walk, horizon) == pytest.approx(wanted)


def test_a_minute_ahead_it_strays_as_independent_draws_do() -> None:
    assert strays(5000, (1,)) == pytest.approx(0.0045, abs=0.0025)


@pytest.mark.parametrize("peak", [False, True])
def test_fewer_and_longer_windows_leave_more_to_chance(peak: bool) -> None:
    assert strays(3000, (1,), peak) < strays(3000, (30,), peak) < strays(1000, (30,), peak)


def test_what_is_not_scored_does_not_count() -> None:
    known = np.zeros((2000, 1), dtype=bool)
    assert (worst_misses(known, Target((5,), TAUS), 3) == 0).all()
    known[:500] = True
    assert np.median(worst_misses(known, Target((5,), TAUS), 60)) > strays(2000, (5,), peak=True)
