"""A line finds what is linear, and a width that changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from forecasting.experts.expert import Model
from forecasting.experts.linear import Linear
from forecasting.history import Array, History, Target
from tests.forecasting.series import diurnal, minutes, odd

TARGET = Target((1, 10, 60), (0.5, 0.8, 0.9, 0.95, 0.99))
END = Target((1, 10), (0.5, 0.95), peak=False)


def past(loads: Array, first: int = 500) -> History:
    return History(60.0, first, np.sqrt(loads))


def taught(history: History, target: Target = TARGET) -> Model:
    model = Linear().fit(history, target, 0)
    assert model is not None
    return model


def reverting(cells: int, seed: int = 1) -> History:
    """A root that goes a tenth of the way back to 5 each minute, thrown about by noise."""
    noise, roots = np.random.default_rng(seed).normal(0, 0.2, cells), np.full(cells, 5.0)
    for i in range(1, cells):
        roots[i] = 5 + 0.9 * (roots[i - 1] - 5) + noise[i]
    return History(60.0, 0, roots)


def test_finds_the_best_guess_where_that_is_a_line() -> None:
    history = reverting(8000)
    model = taught(history.until(5999), END)
    ahead = Linear().predict(model, history, 6000, history.last, END)[:, 1, 0]
    assert np.abs(ahead - (5 + 0.9**10 * (history.roots[6000:] - 5))).mean() < 0.05


def test_the_width_follows_the_hour_that_has_been() -> None:
    """Calm and stormy stretches of three hours take turns."""
    rng, stormy = np.random.default_rng(2), np.arange(9000) // 180 % 2 == 1
    history = History(60.0, 0, 5 + np.where(stormy, 0.5, 0.05) * rng.normal(size=9000))
    ahead = Linear().predict(taught(history, END), history, 400, history.last, END)[:, 0]
    width = ahead[:, 1] - ahead[:, 0]
    assert np.median(width[stormy[400:]]) > 4 * np.median(width[~stormy[400:]])


def test_quantiles_are_exceeded_about_as_often_as_they_say() -> None:
    history = reverting(9000)
    model = taught(history.until(5999))
    truth, ahead = history.truth(6000, 8900, TARGET), Linear().predict(model, history, 6000, 8900, TARGET)
    assert (truth[..., None] <= ahead).mean(axis=0) == pytest.approx(np.tile(TARGET.taus, (3, 1)), abs=0.1)


def test_what_is_learned_at_one_level_and_hour_holds_at_others() -> None:
    loads = diurnal(minutes(1.5))
    model, moved = taught(past(loads)), taught(past(loads, first=900))
    assert all(model[name] == pytest.approx(moved[name]) for name in model)
    larger = taught(past(100 * loads))
    ours, theirs = (Linear().predict(m, h, h.last - 9, h.last, TARGET) for m, h in
                    ((model, past(loads)), (larger, past(100 * loads))))  # fmt: skip
    assert theirs == pytest.approx(10 * ours, rel=1e-3)


def test_a_day_without_a_week_before_is_not_thrown_by_the_first_that_has_one() -> None:
    history = past(diurnal(minutes(8.0), seed=4))
    model = taught(history.until(history.first + 7 * 1440))
    ahead = Linear().predict(model, history, history.last - 600, history.last, TARGET)[..., 0]
    assert np.abs(ahead - history.roots[-601:, None]).max() < 3


def test_too_little_history_gives_no_model_and_a_gap_no_answer() -> None:
    for loads in (np.ones(100), np.full(900, np.nan), np.zeros(0)):
        assert Linear().fit(past(loads), TARGET, 0) is None
    loads = diurnal(minutes(1.0))
    loads[-1] = np.nan
    history = past(loads)
    ahead = Linear().predict(taught(history), history, history.last - 1, history.last, TARGET)
    assert np.isfinite(ahead[0]).all() and np.isnan(ahead[1]).all()


@settings(max_examples=30)
@given(odd())
def test_no_history_gives_nan_or_an_error(loads: Array) -> None:
    history = past(loads)
    model = Linear().fit(history, TARGET, 0)
    if model is not None:
        ahead = Linear().predict(model, history, history.first, history.last, TARGET)
        assert (np.isfinite(ahead).all(axis=(1, 2)) == np.isfinite(history.roots)).all()
        assert (np.diff(ahead[np.isfinite(history.roots)], axis=2) >= 0).all()
