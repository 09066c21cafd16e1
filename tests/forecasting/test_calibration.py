"""Error quantiles, tracked online."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.calibration import Calibration, pinball

TAUS = (0.5, 0.9, 0.99)


def calibration() -> Calibration:
    return Calibration(experts=2, horizons=(1, 10), step_s=60.0, taus=TAUS)


def test_before_anything_is_known_the_band_is_wide_and_grows_with_the_horizon() -> None:
    root = calibration().quantiles(np.full((2, 2), 4.0))
    assert (np.diff(root, axis=-1) > 0).all() and (root[:, 1] > root[:, 0]).all()
    assert root[0, 1, 1] ** 2 > 1.3 * 4.0


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_tracks_the_quantiles_of_the_error_at_any_scale(scale: float) -> None:
    rng, tracked, covered = np.random.default_rng(1), calibration(), np.zeros(3)
    for moment in range(6000):
        error = scale * rng.normal(size=(2, 2))
        if moment >= 1000:
            covered += error[0, 0] <= tracked.quantiles(np.full((2, 2), 1.0))[0, 0] - 1.0
        tracked.learn(error)
    assert covered / 5000 == pytest.approx(TAUS, abs=0.02)


def test_gaps_move_nothing() -> None:
    tracked, bases = calibration(), np.ones((2, 2))
    before = tracked.quantiles(bases)
    assert np.isnan(tracked.learn(np.full((2, 2), np.nan))).all()
    assert (tracked.quantiles(bases) == before).all()


def test_one_experts_errors_leave_the_other_alone() -> None:
    tracked, bases = calibration(), np.ones((2, 2))
    before = tracked.quantiles(bases)
    tracked.learn(np.array([[0.5, 0.5], [np.nan, np.nan]]))
    after = tracked.quantiles(bases)
    assert (after[1] == before[1]).all() and (after[0] != before[0]).any()


def test_starting_from_history_takes_its_quantiles() -> None:
    errors = np.random.default_rng(1).normal(size=(5000, 2, 2))
    tracked = calibration()
    loss, seen = tracked.start(errors)
    quantiles = tracked.quantiles(np.full((2, 2), 100.0))[0, 0] - 10
    assert quantiles == pytest.approx(np.quantile(errors[:, 0, 0], TAUS), abs=0.1)
    assert np.isfinite(loss).all() and (seen == 5000).all()
    assert np.isnan(calibration().start(np.full((5, 2, 2), np.nan))[0]).all()


def test_pinball() -> None:
    taus = np.array([0.9])
    assert pinball(np.array([1.0]), taus)[0] == pytest.approx(0.9)
    assert pinball(np.array([-1.0]), taus)[0] == pytest.approx(0.1)
