"""What the API says of forecasts: the latest, days ahead, and how past ones fared."""

from __future__ import annotations

from typing import Literal

from app.api.schemas.schema import Schema


class ForecastView(Schema):
    """The latest forecast of a service, and the state of the model behind it.

    ``weights`` are the experts and their shares of what was told. ``fitted_at_s`` is when experts learned last, null
    where none has yet; ``trouble`` says what went wrong at the last attempt.
    """

    service: str
    made_at_s: float
    model: str
    horizons_s: list[float]
    taus: list[float]
    erlangs: list[list[float]]
    weights: dict[str, float]
    history_s: float
    fitted_at_s: float | None
    trouble: str | None


class DaysAhead(Schema):
    """Days ahead: ``erlangs[i]`` are quantiles of the greatest load within the i-th hour from ``start_s``."""

    service: str
    start_s: float
    step_s: float
    taus: list[float]
    erlangs: list[list[float]]


class ForecastOutcome(Schema):
    """One past forecast: the quantiles told, erlangs, and the greatest load that came until ``until_s``.

    ``truth`` is null where the window is not over (``ahead``) or a gap hides it (``gap``); ``weights`` are in the
    order of the answer's ``experts``.
    """

    made_at_s: float
    until_s: float
    told: list[float]
    truth: float | None
    state: Literal["known", "gap", "ahead"]
    weights: list[float]


class QuantileScore(Schema):
    """How one quantile kept its promise: ``coverage`` is the share of ``windows`` whose truth lay at or under it.

    ``expected`` is the range in which that share lies nine times in ten for an honest forecast with so many windows.
    ``loss_vs_last_value`` is mean pinball loss over that of last value with the empirical error band of the very same
    windows; below 1 is better.
    """

    tau: float
    windows: int
    missed: int
    coverage: float | None
    expected: tuple[float, float] | None
    loss_vs_last_value: float | None


class ForecastAccuracy(Schema):
    """How a service's past forecasts fared at one horizon; ``lead_s`` is the launch lead time now.

    ``outcomes`` are a sample of those made between ``start_s`` and ``end_s``, oldest first, quantiles in the order of
    ``taus``. A number is null where there is too little to tell.
    """

    service: str
    start_s: float
    end_s: float
    lead_s: float
    horizon_s: float
    taus: list[float]
    experts: list[str]
    scores: list[QuantileScore]
    loss_vs_last_value: float | None
    outcomes: list[ForecastOutcome]
