"""Forecasts as an operator reads them: did they keep their promise, by how much, and what are they made of?

Pure: from the API's payloads to sentences, tiles and tables. A promise is judged by its windows alone: kept, too narrow
or too wide only where chance cannot explain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from app.api.schemas.decisions import DecisionRow, QuantileView
from app.api.schemas.forecasts import ForecastAccuracy, ForecastView, QuantileScore
from app.console import format
from app.console.frames import FAN_TAUS
from app.console.tiles import Tile, Verdict

KEPT, NARROW, WIDE, UNKNOWN = "as promised", "too narrow", "too wide", "too few windows"

VERDICTS: dict[str, Verdict] = {KEPT: "good", NARROW: "bad", WIDE: "warning", UNKNOWN: "unknown"}

HEADLINE_TAU = 0.95

JUDGED = 20
"""Windows below which no verdict is given, whatever they say."""

REACHED = 0.95
"""Share of the time asked for that counts as all of it."""

HOLE_STRIDES = 4.0
"""Forecasts further apart than so many usual strides have a hole between them."""


def score_of(accuracy: ForecastAccuracy, tau: float) -> QuantileScore | None:
    """The score of that quantile; None where it was not told."""
    return next((score for score in accuracy.scores if abs(score.tau - tau) < 1e-9), None)


def verdict(score: QuantileScore | None) -> str:
    """Whether the promise was kept, in words."""
    if score is None or score.coverage is None or score.expected is None or score.windows < JUDGED:
        return UNKNOWN
    low, high = score.expected
    return NARROW if score.coverage < low else WIDE if score.coverage > high else KEPT


def headline(accuracy: ForecastAccuracy) -> str:
    """The page's finding in one line, of the time that there are forecasts of."""
    score = score_of(accuracy, HEADLINE_TAU)
    if score is None or score.coverage is None:
        return "No forecast can be judged yet"
    judged = verdict(score)
    span = format.duration(looked_back_s(accuracy))
    found = f"P95 kept {format.percent(score.coverage)} over the last {'day' if span == '1 d' else span}"
    return f"{found}: {judged} to judge" if judged == UNKNOWN else f"{found}: {judged}"


def looked_back_s(accuracy: ForecastAccuracy) -> float:
    """How far back forecasts reach: what was asked for, or less where there are none so old, seconds."""
    asked_s = accuracy.end_s - accuracy.start_s
    found_s = accuracy.end_s - min((o.made_at_s for o in accuracy.outcomes), default=accuracy.end_s)
    return asked_s if found_s > REACHED * asked_s else found_s


def explanation(accuracy: ForecastAccuracy) -> str:
    """What the headline counts."""
    score, ahead = score_of(accuracy, HEADLINE_TAU), format.duration(accuracy.horizon_s)
    if score is None or not score.windows:
        return f"A forecast is judged when its window of {ahead} is over and the load in it known throughout."
    told = f"{score.missed} of {score.windows} windows of {ahead} held more load than the P95 told before them."
    if score.expected is None:
        return told
    low, high = (format.percent(share) for share in score.expected)
    return f"{told} Overlaps counted once, an honest P95 keeps {low} to {high} of so many, nine times in ten."


def tiles(accuracy: ForecastAccuracy, forecast: ForecastView | None, taken: QuantileView | None) -> list[Tile]:
    """The strip of the page."""
    return [
        kept_tile(accuracy, 0.95),
        kept_tile(accuracy, 0.99),
        loss_tile(accuracy.loss_vs_last_value),
        taken_tile(taken),
        model_tile(forecast),
    ]


def kept_tile(accuracy: ForecastAccuracy, tau: float) -> Tile:
    """How often one quantile held."""
    score, name = score_of(accuracy, tau), quantile_name(tau)
    judged = verdict(score)
    return Tile(
        f"{name} kept",
        format.percent(score.coverage if score else None),
        f"{judged} · {score.windows}" if score and score.windows else "no windows yet",
        VERDICTS[judged],
        (),
        f"Share of windows whose load stayed at or under the {name} that was told before them.",
    )


def loss_tile(ratio: float | None) -> Tile:
    """How much better than assuming that the load stays."""
    note = "needs 30 known windows" if ratio is None else gain_words(ratio)
    judged: Verdict = "unknown" if ratio is None else "good" if ratio <= 1 else "warning"
    return Tile(
        "Loss vs last value",
        format.number(ratio, 2),
        note,
        judged,
        (),
        "Pinball loss of all quantiles, over that of last value with the band that fits these very windows. Below 1 "
        "is better.",
    )


def gain_words(ratio: float) -> str:
    """``13 % better`` or ``4 % worse``."""
    return f"{format.percent(abs(1 - ratio), 0)} {'better' if ratio <= 1 else 'worse'}"


def taken_tile(taken: QuantileView | None) -> Tile:
    """What the last decision took from its forecast."""
    note = "no forecast taken yet"
    if taken is not None:
        note = f"{quantile_name(taken.tau)} in {format.duration(taken.horizon_s)}"
    return Tile(
        "Sized for, erlangs",
        format.number(taken.erlangs if taken else None),
        note,
        "unknown" if taken is None else "neutral",
        (),
        "The quantile of the greatest load that the last decision took from its forecast, within the time that a new "
        "replica takes, with the policy's headroom.",
    )


def model_tile(forecast: ForecastView | None) -> Tile:
    """When experts learned last, and whether that went well."""
    if forecast is None:
        return Tile("Model fitted", format.DASH, "no forecast yet", "unknown", (), MODEL_HELP)
    failed = forecast.trouble is not None
    return Tile(
        "Model fitted",
        fitted_words(forecast),
        "last fit failed" if failed else f"{format.duration(forecast.history_s)} of history",
        "bad" if failed else "neutral",
        (),
        MODEL_HELP,
    )


def fitted_words(forecast: ForecastView) -> str:
    """``1 h 15 m ago`` or ``not yet``."""
    if forecast.fitted_at_s is None:
        return "not yet"
    return f"{format.duration(forecast.made_at_s - forecast.fitted_at_s)} ago"


def model_words(forecast: ForecastView) -> str:
    """Markdown: what the model knows and tells, and how its last fit went."""
    taus, horizons = forecast.taus, forecast.horizons_s
    lines = [
        f"Fitted **{fitted_words(forecast)}**; remembers **{format.duration(forecast.history_s)}**",
        f"Tells {quantile_name(taus[0])} to {quantile_name(taus[-1])} of the greatest load within "
        f"{format.duration(horizons[0])} to {format.duration(horizons[-1])}",
        f"Last fit: {format.escape(forecast.trouble) if forecast.trouble else 'no trouble known'}",
    ]
    return "\n".join(f"- {line}" for line in lines)


MODEL_HELP = "Experts that learn are fitted beside the control loop; until then the simple ones speak."


def taken(rows: Sequence[DecisionRow]) -> QuantileView | None:
    """What the newest decision took, at the farthest horizon; None without a forecast."""
    found = (c.quantiles[-1] for row in rows[:1] for c in row.constraints if c.quantiles)
    return next(found, None)


def fan_words(forecast: ForecastView, load_erlangs: float | None, lead_s: float) -> str:
    """What may come before a new replica could be there."""
    reached = [float(np.interp(HEADLINE_TAU, forecast.taus, row)) for row in forecast.erlangs]
    most = format.number(float(np.interp(lead_s, forecast.horizons_s, reached)))
    now = "the load now is not known" if load_erlangs is None else f"now {format.number(load_erlangs)}"
    made = format.time_of_day(forecast.made_at_s)
    return f"{now}, P95 within {format.duration(lead_s)} (a launch): {most} erlangs; made {made} UTC"


def expert_words(weights: dict[str, float]) -> str:
    """Who speaks loudest."""
    if not weights:
        return ""
    name, share = max(weights.items(), key=lambda pair: pair[1])
    return f"{expert_name(name)} speaks loudest, {format.percent(share, 0)}"


def quantile_name(tau: float) -> str:
    """``P95``, ``P94.9``."""
    return f"P{round(100 * tau, 1):g}"


def expert_name(name: str) -> str:
    """An expert's name in words."""
    return name.replace("_", " ")


# --- tables ----------------------------------------------------------------------------------------------------------


def outcome_frame(accuracy: ForecastAccuracy) -> pd.DataFrame:
    """What was told against what came, at the end of each window: ``time``, ``came``, ``p50``, ``p95``, ``p99``,
    ``missed`` (what came, where that is above P95), ``made`` (when it was told) and ``window`` (its state).

    A hole between forecasts is a row of nothing, so that no band is drawn over it.
    """
    rows = []
    for outcome in accuracy.outcomes:
        told = {name: float(np.interp(tau, accuracy.taus, outcome.told)) for name, tau in FAN_TAUS.items()}
        came = np.nan if outcome.truth is None else outcome.truth
        missed = came if came > told["p95"] else np.nan
        times = {"time": outcome.until_s, "made": outcome.made_at_s}
        rows.append(times | {"came": came} | told | {"missed": missed, "window": outcome.state})
    return timed(pd.DataFrame(rows, columns=["time", "came", *FAN_TAUS, "missed", "made", "window"]), "time", "made")


def weight_frame(accuracy: ForecastAccuracy) -> pd.DataFrame:
    """The experts' shares: ``time`` (when it was told) and a column per expert; rows without any are left out."""
    rows = [[o.made_at_s, *o.weights] for o in accuracy.outcomes if sum(o.weights) > 0]
    names = [expert_name(name) for name in accuracy.experts]
    return timed(pd.DataFrame(rows, columns=["time", *names]), "time")


def timed(frame: pd.DataFrame, by: str, *others: str) -> pd.DataFrame:
    """Epoch seconds as timestamps, with a row of gaps in each hole of the column ``by``."""
    at_s = frame[by].to_numpy(dtype=float)
    steps = np.diff(at_s)
    limit = HOLE_STRIDES * float(np.median(steps)) if len(steps) else np.inf
    holes = [{by: (a + b) / 2} for a, b in pairwise(at_s.tolist()) if b - a > limit]
    if holes:
        frame = pd.concat([frame, pd.DataFrame(holes)], ignore_index=True).sort_values(by, ignore_index=True)
    for column in (by, *others):
        frame[column] = pd.to_datetime(frame[column].astype(float), unit="s", utc=True)
    return frame


def calibration_frame(accuracy: ForecastAccuracy) -> pd.DataFrame:
    """One row per quantile: promised and kept in per cent, ``off`` and the range that chance explains in points,
    windows, misses, verdict, and loss against last value."""
    return pd.DataFrame([calibration_row(score) for score in accuracy.scores], columns=CALIBRATION)


CALIBRATION = ("quantile", "promised", "kept", "off", "low", "high", "windows", "missed", "verdict", "loss")


def calibration_row(score: QuantileScore) -> dict[str, object]:
    """One quantile of the table."""
    promised = 100 * score.tau
    known = score.coverage is not None and score.expected is not None
    low, high = score.expected if score.expected is not None else (np.nan, np.nan)
    return {
        "quantile": quantile_name(score.tau),
        "promised": round(promised, 6),
        "kept": 100 * score.coverage if score.coverage is not None else np.nan,
        "off": 100 * score.coverage - promised if score.coverage is not None else np.nan,
        "low": 100 * low - promised,
        "high": 100 * high - promised,
        "windows": score.windows if known else np.nan,
        "missed": score.missed if known else np.nan,
        "verdict": verdict(score),
        "loss": np.nan if score.loss_vs_last_value is None else score.loss_vs_last_value,
    }


def expert_table(weights: dict[str, float]) -> pd.DataFrame:
    """Experts and their shares now in per cent, the loudest first."""
    shares = sorted(weights.items(), key=lambda pair: -pair[1])
    return pd.DataFrame([{"expert": expert_name(name), "share": 100 * share} for name, share in shares])
