"""What our arrays say is what scikit-learn's trees say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from forecasting.experts.trees import add_up, flatten
from forecasting.history import Array

RNG = np.random.default_rng(3)


def grown(table: Array, wanted: Array, tau: float, trees: int = 7) -> Any:
    booster = HistGradientBoostingRegressor(loss="quantile", quantile=tau, max_iter=trees, min_samples_leaf=20)
    with threadpool_limits(limits=1):
        return booster.fit(table, wanted)


def noisy(lines: int, columns: int) -> tuple[Array, Array]:
    table = RNG.normal(size=(lines, columns))
    return table, table[:, 0] * np.abs(table[:, 1]) + RNG.normal(size=lines)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_adds_up_to_what_the_library_predicts(missing: float) -> None:
    table, wanted = noisy(800, 5)
    table[RNG.random(table.shape) < missing] = np.nan
    ensembles = [[grown(table, scale * wanted, tau) for tau in (0.1, 0.5, 0.9)] for scale in (1.0, 1000.0)]
    model, asked = flatten(ensembles), RNG.normal(size=(300, 5))
    asked[RNG.random(asked.shape) < missing] = np.nan
    for row in range(2):
        with threadpool_limits(limits=1):
            expected = np.stack([ensemble.predict(asked) for ensemble in ensembles[row]], axis=1)
        assert (add_up(model, asked, row) == expected).all()


def test_trees_that_found_nothing_say_the_quantile() -> None:
    table, wanted = np.ones((100, 3)), np.arange(100.0)
    model = flatten([[grown(table, wanted, 0.5)]])
    assert add_up(model, np.zeros((4, 3)), 0) == pytest.approx(49.5)


def test_a_model_is_three_arrays_of_plain_numbers() -> None:
    model = flatten([[grown(*noisy(200, 2), tau=0.5)]])
    assert {name: array.dtype.kind for name, array in model.items()} == dict.fromkeys(
        ("nodes", "roots", "baseline"), "f"
    )
    assert model["roots"].shape == (1, 1, 7) and model["baseline"].shape == (1, 1)
