"""Trees that see what a line cannot, and lose their heads at nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from forecasting.experts.boosted import Boosted, fitted_taus
from forecasting.experts.expert import Model
from forecasting.history import Array, History, Target
from tests.forecasting.series import diurnal, minutes, odd

TARGET = Target((1, 10, 60), (0.5, 0.8, 0.9, 0.95, 0.99))
FEW = Boosted(trees=4, rate=0.5)


def past(loads: Array) -> History:
    return History(60.0, 500, np.sqrt(loads))


def taught(history: History, expert: Boosted = FEW, target: Target = TARGET, seed: int = 1) -> Model:
    model = expert.fit(history, target, seed)
    assert model is not None
    return model


def said(expert: Boosted, model: Model, history: History, target: Target = TARGET) -> Array:
    return expert.predict(model, history, history.last - 20, history.last, target)


def test_sees_that_highs_fall_back_and_lows_rise_further_up_than_a_line_would() -> None:
    """A load that jumps to another level each half hour, at random, is best guessed by its levels' middle."""
    rng = np.random.default_rng(1)
    history = past(np.repeat(rng.choice([1.0, 4.0, 25.0], 100), 30) + 0.01 * rng.random(3000))
    ahead = Boosted().predict(taught(history, Boosted()), history, history.first, history.last, TARGET)
    truth = history.truth(history.first, history.last, TARGET)
    known = np.isfinite(truth[:, 2])
    error = np.abs(truth[known, 2] - ahead[known, 2, 0]).mean()
    assert error < 0.8 * np.abs(truth[known, 2] - history.roots[known]).mean()


def test_quantiles_are_exceeded_about_as_often_as_they_say() -> None:
    history = past(diurnal(minutes(4.0), seed=2))
    model = taught(history.until(history.last - 1440), Boosted())
    ahead = Boosted().predict(model, history, history.last - 1440, history.last - 60, TARGET)
    truth = history.truth(history.last - 1440, history.last - 60, TARGET)
    covered = (truth[..., None] <= ahead).mean(axis=0)
    assert covered[:2] == pytest.approx(np.tile(TARGET.taus, (2, 1)), abs=0.12)


def test_quantiles_never_cross() -> None:
    history = past(diurnal(minutes(1.0)))
    assert (np.diff(said(FEW, taught(history), history), axis=-1) >= 0).all()


def test_the_same_seed_gives_the_same_model_and_one_origin_the_same_answer_as_many() -> None:
    history = past(diurnal(minutes(1.0)))
    model, again = taught(history), taught(history)
    assert all((model[name] == again[name]).all() for name in model)
    one = FEW.predict(model, history, history.last, history.last, TARGET)
    assert (one[0] == said(FEW, model, history)[-1]).all()


def test_too_little_history_gives_no_model() -> None:
    assert FEW.fit(past(np.ones(200)), TARGET, 1) is None
    assert FEW.fit(past(np.full(2000, np.nan)), TARGET, 1) is None
    assert FEW.fit(past(np.zeros(0)), TARGET, 1) is None


def test_a_gap_now_says_nothing_and_gaps_before_do_no_harm() -> None:
    loads = diurnal(minutes(1.0))
    loads[300:500] = loads[-1] = np.nan
    history = past(loads)
    ahead = said(FEW, taught(history), history)
    assert np.isnan(ahead[-1]).all() and np.isfinite(ahead[:-1]).all()


def test_a_finer_history_is_thinned() -> None:
    history, target = History(20.0, 0, np.sqrt(diurnal(minutes(9.0)))), Target((3,), (0.5, 0.99))
    assert np.isfinite(said(FEW, taught(history, target=target), history, target)).all()


def test_what_is_older_than_a_week_and_its_week_before_is_forgotten() -> None:
    usual = np.sqrt(diurnal(minutes(16.5))[::5])
    late = History(300.0, 1000, usual)
    early = History(300.0, 0, np.concatenate([np.full(1000, 1e3), usual]))
    ours, theirs = taught(early), taught(late)
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_taus_lie_as_those_of_a_normal_distribution_through_the_fitted_ones() -> None:
    assert fitted_taus(TARGET) == (0.5, 0.95) and fitted_taus(Target((1,), (0.1,))) == (0.05, 0.5, 0.95)
    history, target = past(diurnal(minutes(1.0))), Target((5,), (0.05, 0.1, 0.5, 0.95, 0.99), peak=False)
    ahead = said(FEW, taught(history, target=target), history, target)[:, 0]
    assert ahead.shape == (21, 5) and (np.diff(ahead, axis=1) >= 0).all()
    upper, beyond = ahead[:, 3] - ahead[:, 2], ahead[:, 4] - ahead[:, 2]
    assert beyond == pytest.approx(upper * 2.3263 / 1.6449, rel=1e-3)


@settings(max_examples=12)
@given(odd())
def test_no_history_gives_nan_or_an_error(loads: Array) -> None:
    history, target = past(loads), Target((1, 20), (0.5, 0.99))
    model = Boosted(trees=2).fit(history, target, 0)
    if model is not None:
        ahead = FEW.predict(model, history, history.first, history.last, target)
        assert (np.isfinite(ahead).all(axis=(1, 2)) == np.isfinite(history.roots)).all()
