"""Scores of quantile forecasts: pure functions from what came and what was told to one number per horizon.

Shapes: ``truth`` (n, horizons) in the series' unit, NaN where it is not scored; ``told`` (n, horizons, taus), finite
wherever the truth is. A horizon without any truth scores NaN.
"""

from __future__ import annotations

import numpy as np

from forecasting.history import Array

LOSS_TAUS = (0.5, 0.9, 0.95, 0.99)
"""Quantiles that the weighted quantile loss averages over, those of them that were told."""

PEAK_SHARE = 0.05
"""The windows with the highest truths, one in twenty, are the peaks."""


def pinball(truth: Array, told: Array, taus: tuple[float, ...]) -> Array:
    """Quantile loss of every quantile, (n, horizons, taus)."""
    over, tau = truth[..., None] - told, np.array(taus)
    return np.maximum(tau * over, (tau - 1) * over)


def quantile_loss(truth: Array, told: Array, taus: tuple[float, ...]) -> Array:
    """Weighted quantile loss (horizons,): Σ pinball / Σ truth, the mean over ``LOSS_TAUS``."""
    wanted = [i for i, tau in enumerate(taus) if tau in LOSS_TAUS]
    loss = np.nansum(pinball(truth, told, taus), axis=0)[:, wanted]
    return ratio(loss.mean(axis=1), np.nansum(truth, axis=0))


def coverage(truth: Array, told: Array) -> Array:
    """Share of truths at or under each quantile, (horizons, taus)."""
    known = np.isfinite(truth)
    under = (truth[..., None] <= told).sum(axis=0)
    return ratio(under, known.sum(axis=0)[:, None])


def scaled_error(truth: Array, median: Array, scale: float) -> Array:
    """MASE (horizons,): mean absolute error of the medians (n, horizons), over that of ``naive_scale``."""
    return ratio(mean(np.abs(truth - median)), np.asarray(scale))


def naive_scale(values: Array) -> float:
    """Mean absolute change from one minute to the next of a training series (n,): the scale of MASE."""
    change = np.abs(np.diff(values))
    known = change[np.isfinite(change)]
    return float(known.mean()) if len(known) else float("nan")


def newsvendor(truth: Array, held: Array, tau: float) -> Array:
    """Mean cost (horizons,) of holding the quantile ``held`` (n, horizons): tau · shortage + (1 − tau) · idle.

    In the series' unit; for offered load, replicas' worth of work that was short, and idle, each at its price.
    """
    return mean(tau * np.maximum(truth - held, 0) + (1 - tau) * np.maximum(held - truth, 0))


def peak_hits(truth: Array, held: Array, share: float = PEAK_SHARE) -> Array:
    """Share (horizons,) of the highest truths that lay at or under ``held`` (n, horizons)."""
    hits = np.full(truth.shape[1], np.nan)
    for i, (came, had) in enumerate(zip(truth.T, held.T, strict=True)):
        known = np.isfinite(came)
        if known.any():
            peaks = known & (came >= np.quantile(came[known], 1 - share))
            hits[i] = (came[peaks] <= had[peaks]).mean()
    return hits


def mean(values: Array) -> Array:
    """Down the columns, without NaNs; NaN for a column of nothing else."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0))


def ratio(above: Array, below: Array) -> Array:
    """Quotient, NaN where nothing is divided by nothing or by zero."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0), dtype=np.float64)
