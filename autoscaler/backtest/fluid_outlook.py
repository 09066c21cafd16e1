"""What our controller would see and expect at every tick of a case, worked out once per trace.

Forecasts depend on the load and not on the knobs, so the forecaster is replayed once and thousands of settings read
its quantiles. Lengths are remembered and smoothed as ``collectors.aggregate`` and ``autoscaler.decide`` do it, but
from arrivals where the daemon has to wait until a request finishes: seconds earlier than live.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import SCRAPE_S
from autoscaler.capacity import mean_work_ms, replicas_for, rho_max
from autoscaler.decide import SMOOTHING_S
from collectors.aggregate import LENGTHS_OVER_S, LengthMemory
from collectors.observation import Observation
from forecasting.forecaster import HORIZONS_S, TAUS, Forecaster

Floats = npt.NDArray[np.float64]

TOLD_EVERY = 200
"""Ticks between two reports of progress."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """By tick, each ending ``tick_s`` after the one before; the first tick has seen nothing (zeros, no forecast).

    ``seen_erlangs``, ``rho`` and ``sequences_per_erlang`` have shape (ticks,); ``forecast`` (ticks, horizons, taus),
    erlangs, NaN where there is none yet.
    """

    tick_s: float
    seen_erlangs: Floats
    rho: Floats
    sequences_per_erlang: Floats
    horizons_s: tuple[float, ...]
    taus: tuple[float, ...]
    forecast: Floats

    def at_lead(self, lead_s: float) -> Floats:
        """The forecast's quantiles of the maximum within ``lead_s``, shape (ticks, taus)."""
        horizons = np.array(self.horizons_s)
        upper = int(np.clip(np.searchsorted(horizons, lead_s), 1, len(horizons) - 1))
        share = float(np.clip((lead_s - horizons[upper - 1]) / (horizons[upper] - horizons[upper - 1]), 0, 1))
        mixed: Floats = (1 - share) * self.forecast[:, upper - 1] + share * self.forecast[:, upper]
        return mixed


def foresee(case: Case, told: Callable[[float], None] | None = None) -> Outlook:
    """Replay the case's load, tick by tick; ``told`` hears the share that is done."""
    seen, rho, per_erlang = _seen(case)
    forecaster = Forecaster(case.pool.service)
    if case.past is not None:
        forecaster.load(*case.past)
    values = np.full((len(seen), len(HORIZONS_S), len(TAUS)), np.nan)
    for tick in range(1, len(seen)):
        now_s = case.start_s + tick * SCRAPE_S
        if forecaster.due():
            forecaster.refit()
        forecaster.update(now_s, float(seen[tick]))
        made = forecaster.forecast(now_s)
        if made is not None:
            values[tick] = made.values
        if told and tick % TOLD_EVERY == 0:
            told(tick / len(seen))
    return Outlook(SCRAPE_S, seen, rho, per_erlang, HORIZONS_S, TAUS, values)


def _seen(case: Case) -> tuple[Floats, Floats, Floats]:
    """Load as the daemon would count it, ρ_max for the lengths it would know, requests in service per erlang."""
    sums = _sums(case)
    forget, rate = math.exp(-SCRAPE_S / LENGTHS_OVER_S), 1 - math.exp(-SCRAPE_S / SMOOTHING_S)
    known, smooth = np.zeros(4), np.full(3, np.nan)
    out = np.zeros((3, len(sums) + 1))
    first = case.rho()
    out[1, 0], out[2, 0] = first.value, first.sequences_per_erlang or 0.0
    for tick, new in enumerate(sums, start=1):
        if new[0] > 0:
            known = forget * known + new
        means = _means(case, known, float(new[0]))
        smooth = np.where(np.isnan(smooth), means, smooth + rate * (means - smooth))
        lengths = (None, None) if np.isnan(smooth[1]) else (float(smooth[1]), float(smooth[2]))
        limit = rho_max(case.pool, case.policy.slo, lengths[0], lengths[1], case.policy.routing)
        load = 0.0 if new[0] == 0 else new[0] / SCRAPE_S * smooth[0] / 1000
        out[:, tick] = load, limit.among(replicas_for(load, limit)).value, limit.sequences_per_erlang or 0.0
    return out[0], out[1], out[2]


def _sums(case: Case) -> Floats:
    """Requests, input tokens, output tokens and squared output tokens per tick: shape (ticks, 4)."""
    trace = case.trace
    cells = (trace.arrival_s / SCRAPE_S).astype(np.int64)
    outputs = trace.output_tokens.astype(np.float64)
    columns = (np.ones(len(cells)), trace.input_tokens.astype(np.float64), outputs, outputs**2)
    return np.stack([np.bincount(cells, column) for column in columns], axis=1)


def _means(case: Case, known: Floats, arrived: float) -> Floats:
    """Mean work (ms), input and output tokens of what is remembered; NaN before the first request."""
    count, inputs, outputs, squares = (float(v) for v in known)
    memory = LengthMemory(count, inputs, count, outputs, count, squares)
    seen = Observation(
        service=case.pool.service,
        at_s=case.start_s,
        interval_s=SCRAPE_S,
        valid=True,
        arrivals_per_s=arrived / SCRAPE_S,
        mean_input_tokens=memory.mean_input_tokens,
        mean_output_tokens=memory.mean_output_tokens,
        output_tokens_second_moment=memory.output_tokens_second_moment,
    )
    values = mean_work_ms(seen, case.pool), seen.mean_input_tokens, seen.mean_output_tokens
    return np.array([np.nan if value is None else value for value in values])
