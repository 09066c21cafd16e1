"""Offsets of quantiles, tracked online."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.calibration import Calibration, pinball
from forecasting.history import Target

TAUS = (0.5, 0.9, 0.99)


def calibration() -> Calibration:
    return Calibration(2, Target((1, 10), TAUS), 60.0)


def missed(tracked: Calibration, spread: float, moments: int = 8000) -> np.ndarray:
    """Share of moments, after a while, in which the truth was above each quantile of the first expert."""
    rng, over = np.random.default_rng(1), np.zeros(3)
    for moment in range(moments):
        errors = np.repeat(spread * rng.normal(size=(2, 2))[..., None], 3, axis=2)
        if moment >= 1000:
            over += errors[0, 0] > tracked.offset[0, 0]
        tracked.learn(errors)
    return over / (moments - 1000)


@pytest.mark.parametrize("spread", [0.01, 1.0])
def test_each_quantile_is_exceeded_as_often_as_it_says_at_any_scale(spread: float) -> None:
    assert 1 - missed(calibration(), spread) == pytest.approx(TAUS, abs=0.015)


def test_after_a_shift_of_the_errors_what_was_missed_is_made_good() -> None:
    tracked = calibration()
    missed(tracked, 1.0)
    assert 1 - missed(tracked, 3.0) == pytest.approx(TAUS, abs=0.02)


def test_gaps_move_nothing() -> None:
    tracked = calibration()
    assert np.isnan(tracked.learn(np.full((2, 2, 3), np.nan))).all()
    assert not tracked.offset.any() and not tracked.seen.any() and not tracked.excess.any()


def test_one_experts_errors_leave_the_other_alone() -> None:
    tracked, errors = calibration(), np.full((2, 2, 3), 0.5)
    errors[1] = np.nan
    tracked.learn(errors)
    assert tracked.offset[0].all() and not tracked.offset[1].any()


def test_starting_from_history_takes_its_quantiles() -> None:
    errors = np.repeat(np.random.default_rng(1).normal(size=(5000, 2, 2))[..., None], 3, axis=3)
    tracked = calibration()
    loss, seen = tracked.start(errors)
    assert tracked.offset[0, 0] == pytest.approx(np.quantile(errors[:, 0, 0, 0], TAUS), abs=1e-9)
    assert np.isfinite(loss).all() and (seen == 5000).all()
    assert np.isnan(calibration().start(np.full((5, 2, 2, 3), np.nan))[0]).all()


def test_pinball() -> None:
    taus = np.array([0.9])
    assert pinball(np.array([1.0]), taus)[0] == pytest.approx(0.9)
    assert pinball(np.array([-1.0]), taus)[0] == pytest.approx(0.1)


def test_a_promise_that_was_broken_for_long_is_made_good_within_bounds() -> None:
    rng, tracked = np.random.default_rng(3), calibration()
    seen, highest = 0.0, 0.0
    for moment in range(8000):
        error = (3.0 if (moment // 1440) % 2 else -1.0) + 0.1 * rng.normal()
        seen = max(seen, abs(error))
        tracked.learn(np.full((2, 2, 3), error))
        highest = max(highest, float(np.abs(tracked.offset).max()))
    assert highest < 1.5 * seen
