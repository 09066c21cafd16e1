"""Forecasts: did they keep their promise, what do they say now, and what are they made of?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import streamlit as st

from app.api.schemas.forecasts import ForecastAccuracy, ForecastView
from app.console import forecast_charts, forecasts, format, frames, shell

SPANS = {"6 h": 6 * 3600.0, "24 h": 86400.0, "2 d": 2 * 86400.0}
"""How far back forecasts are judged. Further back only means of minutes are kept, which have lower peaks."""

LAUNCH = "launch time"
HORIZONS_S = {LAUNCH: None, "1 m": 60.0, "5 m": 300.0, "10 m": 600.0, "30 m": 1800.0, "1 h": 3600.0}

BEHIND_S = 2 * 3600.0
"""How much of the past stands before the fan."""

REFRESH_S = 15.0
"""Wall-clock seconds between refreshes: an answer reads a few hundred decisions, and none of it moves fast."""

NO_FORECAST = (
    "No forecast yet: it needs one complete observation of the load, no older than an hour. Until then the "
    "controller never scales in."
)
NO_OUTCOME = "No forecast of this span can be judged yet: its window must be over, and the load in it known throughout."
NO_WEIGHTS = "No weights yet: they are recorded with every forecast from the first on."

EXPERT_COLUMNS = {
    "expert": st.column_config.TextColumn("Expert"),
    "share": st.column_config.ProgressColumn("Share", format="%.0f %%", min_value=0, max_value=100),
}


@shell.live(REFRESH_S)
def page() -> None:
    """Finding, strip, and the four charts."""
    api, service = shell.api(), chosen()
    row, now_s = api.service(service), api.fleet().clock.now_s
    forecast = api.forecast(service)
    with waiting((service, span(), ahead())):
        accuracy = api.accuracy(service, SPANS[span()], HORIZONS_S[ahead()])
    shell.stale_notice(row)
    finding(accuracy)
    taken = forecasts.taken(api.decisions(service, 1))
    shell.tile_strip(forecasts.tiles(accuracy, forecast, taken), row.stale)
    if forecast is not None and forecast.trouble:
        st.warning(f"The last fit failed: {format.escape(forecast.trouble)}", icon=":material/model_training:")
    with st.container(key="stale-charts" if row.stale else "charts"):
        left, right = st.columns([3, 2])
        with left:
            fan_panel(service, now_s, accuracy.lead_s, forecast)
        with right:
            calibration_panel(accuracy)
        hindsight_panel(accuracy)
        left, right = st.columns([3, 2])
        with left:
            experts_panel(accuracy, forecast)
        with right:
            model(forecast)


@contextmanager
def waiting(question: tuple[str, str, str]) -> Iterator[None]:
    """Say that an answer is on its way where the question is new; a refresh is silent."""
    if st.session_state.get("forecasts-asked") == question:
        yield
        return
    with st.spinner("Looking back at past forecasts"):
        yield
    st.session_state["forecasts-asked"] = question


def finding(accuracy: ForecastAccuracy) -> None:
    """The page's title, and what it counts."""
    st.markdown(f"## {format.escape(forecasts.headline(accuracy))}")
    st.caption(format.escape(forecasts.explanation(accuracy)))


def fan_panel(service: str, now_s: float, lead_s: float, forecast: ForecastView | None) -> None:
    """The load until now and what may come."""
    series = shell.api().series(service, ("offered_erlangs",), now_s - BEHIND_S, now_s)
    history = frames.wide(series, ("offered_erlangs",))
    load = frames.last_known(history, "offered_erlangs")
    fan = frames.fan(forecast, load)
    words = forecasts.fan_words(forecast, load, lead_s) if forecast else ""
    table = fan.merge(history, on="time", how="outer") if forecast else history[["time"]]
    shell.panel("Greatest load to come", words, partial(forecast_charts.fan, history, fan), table, "fan", NO_FORECAST)


def calibration_panel(accuracy: ForecastAccuracy) -> None:
    """What was promised against what was kept, by quantile."""
    table = forecasts.calibration_frame(accuracy)
    windows = max((score.windows for score in accuracy.scores), default=0)
    shown = table if windows else table[[]]
    words = f"by quantile, {windows} windows; grey: what chance explains" if windows else ""
    chart = partial(forecast_charts.calibration, table)
    shell.panel("Promised and kept", words, chart, shown, "calibration", NO_OUTCOME)


def hindsight_panel(accuracy: ForecastAccuracy) -> None:
    """What was told one horizon before, against what came."""
    table = forecasts.outcome_frame(accuracy)
    told = f"greatest load of {format.duration(accuracy.horizon_s)} against the band told before it"
    missed = int(table["missed"].notna().sum())
    words = f"{told}; {missed} above P95" if table["came"].notna().any() else ""
    chart = partial(forecast_charts.hindsight, table)
    shown = table if table["came"].notna().any() else table[["time", "came"]]
    shell.panel("Told and came", words, chart, shown, "hindsight", NO_OUTCOME)


def experts_panel(accuracy: ForecastAccuracy, forecast: ForecastView | None) -> None:
    """Who had how much of a say."""
    table = forecasts.weight_frame(accuracy)
    words = forecasts.expert_words(forecast.weights) if forecast else ""
    shell.panel("Experts over time", words, partial(forecast_charts.experts, table), table, "experts", NO_WEIGHTS)


def model(forecast: ForecastView | None) -> None:
    """The experts' shares now, and the state of the model."""
    st.markdown("**Experts now**")
    if forecast is None or not forecast.weights:
        st.info(NO_WEIGHTS, icon=":material/hourglass_empty:")
        return
    st.dataframe(
        forecasts.expert_table(forecast.weights), hide_index=True, column_config=EXPERT_COLUMNS, key="expert-table"
    )
    st.markdown(forecasts.model_words(forecast))


def controls() -> bool:
    """Service, span and horizon; whether there is a service."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if shell.choose_service() is None:
            return False
        st.segmented_control("Look back", list(SPANS), default="24 h", key="span", bind="query-params", required=True)
        st.segmented_control("Ahead", list(HORIZONS_S), default=LAUNCH, key="ahead", bind="query-params", required=True)
        return True


def chosen() -> str:
    """The service in the selector."""
    return str(st.session_state["service"])


def span() -> str:
    """How far back, as chosen."""
    return str(st.session_state["span"])


def ahead() -> str:
    """How far ahead, as chosen."""
    return str(st.session_state["ahead"])


with shell.api_errors():
    if controls():
        page()
