"""How past forecasts fared: what decisions were told, against what came.

Pure: forecasts as the ledger kept them and the recorded offered load go in, scores come out. The truth of a forecast is
the greatest one-minute cell (``forecasting.grid``) within its horizon, which is what it promised a quantile of. Where a
gap in the record hides a window it is not scored, nor is one that is not over yet. Load that the history keeps only as
means of minutes (older than two days) has lower peaks than were seen, so longer looks back flatter a forecast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from collectors.packing import MINUTE_S
from forecasting.evaluation.scores import pinball
from forecasting.forecast import Forecast
from forecasting.grid import Grid
from forecasting.history import Array, Target

STRIDES_S = (15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0, 21600.0)
"""Seconds between looks at forecasts: round, so that the same ones are taken while the window slides on."""

GOLDEN = (math.sqrt(5) - 1) / 2

ENOUGH = 30
"""Windows below which neither a reference band nor a share of the loss means anything."""

SURE = 0.9
"""How often a forecast that keeps its promise lies in its expected range."""


class State(StrEnum):
    """What is known of a window: its truth, that a gap hides it, or that it is not over yet."""

    KNOWN = "known"
    GAP = "gap"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One forecast at one horizon: quantiles told, erlangs, and the truth, None where it is not known.

    ``before_erlangs`` is the mean load of the minute before, None in a gap; ``weights`` are experts and shares.
    """

    made_at_s: float
    until_s: float
    told: tuple[float, ...]
    truth: float | None
    state: State
    before_erlangs: float | None
    weights: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Score:
    """One quantile: of ``windows`` known truths so many lay above it.

    ``expected`` is where the share under it would lie nine times in ten if the promise held and windows that do not
    overlap were independent. ``loss_vs_last_value`` is the pinball loss over that of the reference; below 1 is better.
    """

    tau: float
    windows: int
    missed: int
    coverage: float | None
    expected: tuple[float, float] | None
    loss_vs_last_value: float | None


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Outcomes, oldest first, and a score for each of ``taus``; the last number is over all of them."""

    horizon_s: float
    taus: tuple[float, ...]
    outcomes: tuple[Outcome, ...]
    scores: tuple[Score, ...]
    loss_vs_last_value: float | None


def stride_s(first_s: float, last_s: float, most: int) -> float:
    """Seconds between looks so that there are at most ``most`` of them from ``first_s`` to ``last_s``."""
    fitting = (stride for stride in STRIDES_S if (last_s - first_s) / stride <= most - 1)
    return next(fitting, (last_s - first_s) / (most - 1))


def sample(times: Sequence[float], most: int) -> list[float]:
    """At most ``most`` of these ascending times, evenly spread, mostly the same ones when the times move on.

    Each stride gives the first time after a point that wanders through it by the golden ratio: ticks and minutes
    are in step, and always looking at the full minute would see always the same part of a cell.
    """
    if len(times) <= most:
        return list(times)
    at = np.asarray(times, dtype=np.float64)
    stride = stride_s(at[0], at[-1], most)
    number = np.floor(at / stride)
    late = at / stride - number >= number * GOLDEN % 1
    taken = np.flatnonzero(late & np.concatenate([[True], (number[1:] != number[:-1]) | ~late[:-1]]))
    return [times[i] for i in taken.tolist()]


def hindsight(forecasts: Sequence[Forecast], times: Array, erlangs: Array, horizon_s: float) -> Hindsight:
    """How ``forecasts`` (ascending in time) fared at the horizon they told that is nearest to ``horizon_s``.

    ``times`` (UTC seconds, ascending) and ``erlangs`` (NaN for gaps), both (n,), are the recorded offered load. The
    reference is last value: the load of the minute before plus the empirical error quantiles, on the square-root
    scale, of the very windows that are scored. No band made beforehand could have fitted them so well, so to be
    ahead of it is more than to be ahead of last value with an honest band.
    """
    if not forecasts:
        return Hindsight(horizon_s, (), (), (), None)
    newest = forecasts[-1]
    horizon_s = min(newest.horizons_s, key=lambda told_s: abs(told_s - horizon_s))
    taus = newest.taus
    outcomes = tuple(_outcomes(forecasts, taus, times, erlangs, horizon_s))
    return Hindsight(horizon_s, taus, outcomes, *_scores(outcomes, taus))


def _outcomes(
    forecasts: Sequence[Forecast], taus: tuple[float, ...], times: Array, erlangs: Array, horizon_s: float
) -> list[Outcome]:
    cells = max(1, math.ceil(horizon_s / MINUTE_S))
    made = np.array([forecast.made_at_s for forecast in forecasts])
    truths = _truths((made // MINUTE_S).astype(np.int64), times, erlangs, cells)
    seen_s = float(times[-1]) if len(times) else -math.inf
    outcomes = []
    for forecast, truth in zip(forecasts, truths.tolist(), strict=True):
        over = (forecast.made_at_s // MINUTE_S + cells + 1) * MINUTE_S <= seen_s
        known = over and math.isfinite(truth)
        outcomes.append(
            Outcome(
                made_at_s=forecast.made_at_s,
                until_s=forecast.made_at_s + cells * MINUTE_S,
                told=_told(forecast, horizon_s, taus),
                truth=truth if known else None,
                state=State.KNOWN if known else State.GAP if over else State.AHEAD,
                before_erlangs=_before(forecast.made_at_s, times, erlangs),
                weights=forecast.weights,
            )
        )
    return outcomes


def _told(forecast: Forecast, horizon_s: float, taus: tuple[float, ...]) -> tuple[float, ...]:
    if forecast.taus == taus and horizon_s in forecast.horizons_s:
        return forecast.values[forecast.horizons_s.index(horizon_s)]
    return tuple(forecast.quantile(horizon_s, tau) for tau in taus)


def _truths(made: np.ndarray[tuple[int], np.dtype[np.int64]], times: Array, erlangs: Array, cells: int) -> Array:
    """Greatest of the ``cells`` cells after each of ``made``, erlangs; NaN where one of them is not known."""
    first, last = int(made.min()), int(made.max())
    size = int((float(times[-1]) if len(times) else 0.0) // MINUTE_S) - first + 2
    if size <= 1:
        return np.full(len(made), np.nan)
    history = Grid.of(MINUTE_S, size, times, erlangs).history()
    roots: Array = history.truth(first, last, Target((cells,), (0.5,)))[made - first, 0]
    return np.square(roots)


def _before(at_s: float, times: Array, erlangs: Array) -> float | None:
    first, end = np.searchsorted(times, [at_s - MINUTE_S, at_s], side="right")
    known = erlangs[first:end][np.isfinite(erlangs[first:end])]
    return float(known.mean()) if len(known) else None


def _scores(outcomes: Sequence[Outcome], taus: tuple[float, ...]) -> tuple[tuple[Score, ...], float | None]:
    known = [outcome for outcome in outcomes if outcome.truth is not None]
    truth = np.array([outcome.truth for outcome in known], dtype=np.float64)
    told = np.array([outcome.told for outcome in known], dtype=np.float64).reshape(len(known), len(taus))
    missed = (truth[:, None] > told).sum(axis=0).tolist()
    lost = _losses(truth, told, taus, [outcome.before_erlangs for outcome in known])
    apart = _apart(known)
    scores = tuple(
        Score(
            tau=tau,
            windows=len(known),
            missed=missed[i],
            coverage=1 - missed[i] / len(known) if known else None,
            expected=expected(apart, tau) if apart else None,
            loss_vs_last_value=None if lost is None else _ratio(*lost[:, i].tolist()),
        )
        for i, tau in enumerate(taus)
    )
    return scores, None if lost is None else _ratio(*lost.sum(axis=1).tolist())


def _losses(truth: Array, told: Array, taus: tuple[float, ...], before: Sequence[float | None]) -> Array | None:
    """Mean pinball losses (2, taus) of what was told and of the reference, on the windows where both have a say."""
    last = np.array([np.nan if value is None else value for value in before])
    both = np.isfinite(last)
    if both.sum() < ENOUGH:
        return None
    truth, told, last = truth[both], told[both], np.sqrt(last[both])
    errors = np.quantile(np.sqrt(truth) - last, taus)
    reference = np.maximum(last[:, None] + errors, 0.0) ** 2
    return np.stack([pinball(truth, quantiles, taus).mean(axis=0) for quantiles in (told, reference)])


def _apart(known: Sequence[Outcome]) -> int:
    """How many of these windows there are that do not overlap."""
    count, end_s = 0, -math.inf
    for outcome in known:
        if outcome.made_at_s >= end_s:
            count, end_s = count + 1, outcome.until_s
    return count


def expected(windows: int, tau: float) -> tuple[float, float]:
    """The range in which the share of hits lies with probability ``SURE`` or more, if each is one with ``tau``.

    For 288 windows at 0.95: 0.927 to 0.969.
    """
    hits = np.arange(windows + 1)
    logs = [math.lgamma(windows + 1) - math.lgamma(k + 1) - math.lgamma(windows - k + 1) for k in hits.tolist()]
    below = np.cumsum(np.exp(np.array(logs) + hits * math.log(tau) + (windows - hits) * math.log1p(-tau)))
    low, high = np.searchsorted(below, [(1 - SURE) / 2, (1 + SURE) / 2])
    return float(low) / windows, min(float(high), windows) / windows


def _ratio(ours: float, reference: float) -> float | None:
    return ours / reference if reference > 0 else None
