"""What is remembered of recent ticks, as far as a setting could be replayed on it. Pure values.

Forecasts stand here as they were made at the time, so that a replayed setting knows no more than it would have known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscaler.attainment import sample
from autoscaler.capacity import rho_max
from autoscaler.controller import Considered
from autoscaler.policy import Policy
from autoscaler.sizing import launch_lead_s
from forecasting.forecaster import TAUS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moment:
    """One tick, about the ``seconds`` before ``at_s``.

    ``erlangs`` came, as ``requests`` arrivals, and one replica carried ``rho``. ``demand`` holds quantiles ``TAUS`` of
    the greatest load within a launch as foreseen then, None without a forecast. Of ``ended`` requests ``late`` did not
    keep the promise; both are zero where nobody counted, and estimates unless ``counted``, which says that a router
    did. ``serving`` replicas were in rotation and ``billed`` paid for.
    """

    at_s: float
    seconds: float
    erlangs: float
    requests: float
    rho: float
    sequences_per_erlang: float
    demand: tuple[float, ...] | None
    ended: float = 0.0
    late: float = 0.0
    serving: int = 0
    billed: int = 0
    counted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Moments as arrays of shape (n,), ``demand`` (n, taus), NaN where there was no forecast; ticks of ``tick_s``."""

    tick_s: float
    erlangs: Floats
    requests: Floats
    rho: Floats
    sequences_per_erlang: Floats
    demand: Floats
    serving: Floats
    billed: Floats
    ended: Floats
    late: Floats

    @classmethod
    def of(cls, moments: Sequence[Moment]) -> Past:
        """Raises ValueError for less than two moments."""
        if len(moments) < 2:
            raise ValueError(f"{len(moments)} moments are no past; give at least 2")
        unknown = (np.nan,) * len(TAUS)

        def column(name: str) -> Floats:
            return np.array([getattr(m, name) for m in moments], dtype=np.float64)

        return cls(
            tick_s=float(np.median(column("seconds"))),
            erlangs=column("erlangs"),
            requests=column("requests"),
            rho=column("rho"),
            sequences_per_erlang=column("sequences_per_erlang"),
            demand=np.array([unknown if m.demand is None else m.demand for m in moments], dtype=np.float64),
            serving=column("serving"),
            billed=column("billed"),
            ended=column("ended"),
            late=column("late"),
        )

    @property
    def asked(self) -> Floats:
        """What each serving replica was asked for, in multiples of ρ_max; shape (n,), and 0 where none is known."""
        return np.where(self.serving > 0, self.erlangs / np.maximum(self.serving, 1) / self.rho, 0.0)

    @property
    def hours(self) -> float:
        """How long it is."""
        return len(self.erlangs) * self.tick_s / 3600


def moment(considered: Considered, policy: Policy) -> Moment | None:
    """What to remember of a tick; None where its load is not known, which leaves a hole and no zero."""
    observation, decision, state = considered.observation, considered.decision, considered.state
    if not observation.valid or decision.offered_erlangs is None or observation.interval_s <= 0:
        return None
    lead_s = launch_lead_s(state) + observation.interval_s
    forecast = considered.forecast
    known = decision.next_state
    rho = rho_max(state.pool, policy.slo, known.mean_input_tokens, known.mean_output_tokens)
    measured = sample(observation, policy.slo)
    counts = state.counts
    return Moment(
        at_s=observation.at_s,
        seconds=observation.interval_s,
        erlangs=decision.offered_erlangs,
        requests=(observation.arrivals_per_s or 0.0) * observation.interval_s,
        rho=decision.rho_max,
        sequences_per_erlang=rho.sequences_per_erlang or 0.0,
        demand=None if forecast is None else tuple(forecast.quantile(lead_s, tau) for tau in TAUS),
        ended=measured.requests if measured else 0.0,
        late=measured.late if measured else 0.0,
        serving=counts.active,
        billed=counts.active + counts.launching + counts.waking + counts.draining,
        counted=measured is not None and measured.counted,
    )
