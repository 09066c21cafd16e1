"""Noise by address: the same draw for the same address, and draws that behave like chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated import noise

INDEX = np.arange(200_000)


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_draw_depends_on_its_address_alone(seed: int, index: int) -> None:
    key = noise.stream(seed, "service")
    many = noise.uniform(key, np.arange(index, index + 5))
    assert noise.uniform(key, np.array([index + 3]))[0] == many[3]


def test_streams_are_told_apart_by_seed_and_by_name() -> None:
    keys = {noise.stream(seed, name, 1) for seed in range(50) for name in ("a", "b", "c")}
    assert len(keys) == 150


def test_uniform_draws_fill_the_interval_evenly_and_independently() -> None:
    draws = noise.uniform(noise.stream(1, "x"), INDEX)
    assert draws.min() > 0 and draws.max() < 1
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    assert np.abs(counts - 10_000).max() < 500
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.01
    other = noise.uniform(noise.stream(1, "y"), INDEX)
    assert abs(np.corrcoef(draws, other)[0, 1]) < 0.01


def test_lognormal_draws_have_mean_one() -> None:
    draws = noise.lognormal(noise.stream(2, "x"), INDEX, 0.5)
    assert draws.mean() == pytest.approx(1, abs=0.01)
    assert draws.std() == pytest.approx(np.sqrt(np.expm1(0.25)), rel=0.02)


def test_drift_has_mean_one_and_no_jumps() -> None:
    values = noise.drift(noise.stream(3, "x"), INDEX / 50, 0.2)
    assert values.mean() == pytest.approx(1, abs=0.02)
    assert values.std() == pytest.approx(0.2, rel=0.1)
    assert np.abs(np.diff(np.log(values))).max() < 0.05
