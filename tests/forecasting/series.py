"""Seeded synthetic loads for the forecasting tests: erlangs at one-minute steps."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[np.float64]

DAY_S = 86_400
MIDNIGHT_S = 1_700_006_400.0
PEAK_S = 12 * 3600


def minutes(days: float) -> Array:
    """UTC seconds of each minute from a midnight on."""
    return MIDNIGHT_S + np.arange(0, days * DAY_S, 60.0)


def diurnal(times: Array, seed: int = 0, noise: float = 0.1) -> Array:
    """A daily wave with a sharp peak at noon, slow drift and square-root noise."""
    rng = np.random.default_rng(seed)
    day = times % DAY_S
    wave = 3 + 2 * np.sin(2 * np.pi * day / DAY_S - 2) + 6 * np.exp(-(((day - PEAK_S) / 1200) ** 2))
    drift = np.zeros(len(times))
    for i, step in enumerate(rng.normal(0, 0.02, len(times) - 1)):
        drift[i + 1] = 0.97 * drift[i] + step
    return np.maximum(0.0, wave * np.exp(drift) + noise * np.sqrt(wave) * rng.normal(size=len(times)))


@st.composite
def odd(draw: st.DrawFn) -> Array:
    """Fifteen hours of nothing, of one value or of a wave, with a hole and with values that cannot be."""
    kinds = {"zero": np.zeros(900), "constant": np.full(900, 3.0), "wave": diurnal(minutes(1.0))[:900]}
    loads = kinds[draw(st.sampled_from(["zero", "constant", "wave"]))]
    changes = st.lists(st.tuples(st.integers(0, 899), st.sampled_from([0.0, 1e6, np.nan])), max_size=30)
    hole, wild = draw(st.integers(0, 300)), draw(changes)
    loads[400 : 400 + hole] = np.nan
    for at, load in wild:
        loads[at] = load
    return loads
