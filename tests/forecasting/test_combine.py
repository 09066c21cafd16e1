"""Weights move away from equal only on evidence."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.combine import Combination

BOTH = np.ones((2, 1))


def after(moments: int, first: float, second: float) -> Combination:
    combination = Combination(experts=2, horizons=1, taus=1, half_life_cells=1440)
    for _ in range(moments):
        combination.learn(np.array([[[first]], [[second]]]))
    return combination


def test_equal_at_first_and_for_equal_losses() -> None:
    assert after(0, 0, 0).weights(BOTH).ravel().tolist() == [0.5, 0.5]
    assert after(500, 1, 1).weights(BOTH).ravel().tolist() == [0.5, 0.5]


def test_the_better_one_wins_slowly_and_never_all() -> None:
    shares = [after(n, 1.0, 1.3).weights(BOTH)[0, 0, 0] for n in (0, 10, 100, 1000)]
    assert shares == sorted(shares) and 0.95 < shares[-1] < 1.0


def test_an_expert_with_nothing_to_say_gets_nothing() -> None:
    only_first = np.array([[1.0], [0.0]])
    assert after(500, 2.0, 1.0).weights(only_first).ravel() == pytest.approx([1.0, 0.0])
    assert after(0, 0, 0).weights(np.zeros((2, 1))).sum() == 0.0


def test_an_expert_that_was_never_judged_counts_as_the_best() -> None:
    combination = after(0, 0, 0)
    for _ in range(500):
        combination.learn(np.array([[[5.0]], [[np.nan]]]))
    assert combination.weights(BOTH).ravel().tolist() == [0.5, 0.5]


def test_a_change_of_regime_is_noticed() -> None:
    combination = after(1440, 1.0, 1.5)
    for _ in range(3 * 1440):
        combination.learn(np.array([[[1.5]], [[1.0]]]))
    assert combination.weights(BOTH)[1, 0, 0] > 0.9
