"""As it was lately, where lately is as long as has served best."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.experts.smoothed import REACH, Smoothed
from forecasting.history import Array, History, Target

TARGET = Target((1, 15), (0.5, 0.95), peak=False)


def fitted(roots: Array) -> tuple[Smoothed, History, dict[str, Array]]:
    history = History(60.0, 0, roots)
    model = Smoothed().fit(history, TARGET, 0)
    assert model is not None
    return Smoothed(), history, dict(model)


def test_a_noisy_level_is_averaged_for_long_and_a_wandering_one_is_not() -> None:
    rng = np.random.default_rng(1)
    noisy, wandering = 3 + 0.3 * rng.normal(size=2000), 30 + np.cumsum(0.1 * rng.normal(size=2000))
    assert fitted(noisy)[2]["alpha"].max() <= 0.1
    assert fitted(wandering)[2]["alpha"].min() >= 0.7


def test_its_band_holds_as_much_as_it_says() -> None:
    roots = 3 + 0.3 * np.random.default_rng(2).normal(size=6000)
    expert, _, model = fitted(roots[:3000])
    later = History(60.0, 0, roots)
    said, truth = (part for part in (expert.predict(model, later, 3000, 5900, TARGET), later.truth(3000, 5900, TARGET)))
    assert (truth[..., None] <= said).mean(axis=0) == pytest.approx(np.tile(TARGET.taus, (2, 1)), abs=0.03)


def test_one_origin_is_told_as_among_many_and_gaps_say_nothing() -> None:
    roots = 3 + 0.3 * np.random.default_rng(3).normal(size=1000)
    roots[700:710] = np.nan
    expert, history, model = fitted(roots)
    many = expert.predict(model, history, 690, 950, TARGET)
    assert np.isnan(many[10:20]).all() and np.isfinite(many[20:]).all()
    one = expert.predict(model, history, 900, 900, TARGET)
    assert one[0] == pytest.approx(many[210], rel=1e-3)
    assert REACH > 100


def test_too_little_is_not_learned_from() -> None:
    assert Smoothed().fit(History(60.0, 0, np.ones(50)), TARGET, 0) is None
    assert Smoothed().fit(History(60.0, 0, np.full(5000, np.nan)), TARGET, 0) is None
