"""Service: one service's demand against its capacity, its latency against its SLO, and why it has the size it has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from app.api.schemas.forecasts import ForecastView
from app.api.schemas.services import Series, ServiceRow
from app.console import capacity, charts, decisions, format, frames, levels, shell, tiles
from app.console.levels import Level

# How far back the charts reach, in the API's time.
WINDOWS_S = {"15 min": 900.0, "1 h": 3600.0, "6 h": 21600.0, "24 h": 86400.0, "7 d": 604800.0}

FIRST_DECISIONS, MOST_DECISIONS = 60, 1000  # the API gives no more at once

SIGNALS = (
    "offered_erlangs",
    "capacity_erlangs",
    "ready_erlangs",
    "forecast_p50",
    "forecast_p95",
    *(f"{signal}_{quantile}_s" for signal in ("ttft", "tpot") for quantile in charts.QUANTILES),
    "attainment",
    *levels.SIGNALS,
    *charts.REPLICAS,
    "replicas_desired",
)

NEWEST, NEWEST_S = ("offered_erlangs", *levels.SIGNALS), 900.0
"""What is said of now, and how far back it may lie, seconds: a long window comes thinned, without its last points."""

REPLICA_COLUMNS = {
    "replica": st.column_config.TextColumn("Replica", pinned=True),
    "state": st.column_config.TextColumn("State", help="Its tier, or what is being done to it."),
    "for_s": st.column_config.NumberColumn("In it for", format="%,.0f s"),
    "pool": st.column_config.TextColumn("Pool"),
    "node": st.column_config.TextColumn("Node"),
    "gpus": st.column_config.NumberColumn("GPUs"),
    "running": st.column_config.NumberColumn("Running", format="%d"),
    "waiting": st.column_config.NumberColumn("Waiting", format="%d"),
    "kv": st.column_config.ProgressColumn("KV cache", format="%.0f %%", min_value=0, max_value=100),
}

LAW_COLUMNS = {
    "term": st.column_config.TextColumn("Step time", help="An iteration takes a + b·N + k·K + p·P milliseconds."),
    "configured": st.column_config.NumberColumn("Configured", format="%.3g"),
    "learned": st.column_config.NumberColumn("Learned", format="%.3g"),
    "factor": st.column_config.NumberColumn("Factor", format="%.2f"),
}

LEAD_TIME_COLUMNS = {
    "tier": st.column_config.TextColumn("From", help="How ready a replica is before it is asked for."),
    "transition": st.column_config.TextColumn("By"),
    "p50_s": st.column_config.NumberColumn("P50", format="%.3g s"),
    "p90_s": st.column_config.NumberColumn("P90", format="%.3g s", help="What sizing counts with."),
    "configured_p50_s": st.column_config.NumberColumn("Configured P50", format="%.3g s"),
    "configured_p90_s": st.column_config.NumberColumn("Configured P90", format="%.3g s"),
    "measured": st.column_config.NumberColumn("Measured", help="Transitions of this pool it rests on."),
}


@shell.live(shell.REFRESH_S)
def now() -> None:
    """The service's own strip."""
    row = shell.api().service(chosen())
    shell.stale_notice(row)
    shell.tile_strip(tiles.service_tiles(row), row.stale)
    if row.last_sentence:
        st.markdown(f":material/psychology: {format.escape(row.last_sentence)}")


@shell.live(shell.CHART_REFRESH_S)
def history() -> None:
    """The charts."""
    api, service = shell.api(), chosen()
    row, now_s = api.service(service), api.fleet().clock.now_s
    window = api.series(service, SIGNALS, now_s - window_s(), now_s)
    newest = frames.wide(api.series(service, NEWEST, now_s - NEWEST_S, now_s), NEWEST)
    with st.container(key="stale-charts" if row.stale else "charts"):
        panels(row, window, newest, api.forecast(service))


def panels(row: ServiceRow, window: Series, newest: pd.DataFrame, forecast: ForecastView | None) -> None:
    """All charts of one window: what is asked and what there is, the promise, the traffic, the replicas."""
    demand_panel(row, window, frames.last_known(newest, "offered_erlangs"), forecast)
    level = partial(level_panel, window, newest)
    beside(
        partial(latency_panel, "TTFT", "ttft", row.ttft_p90_s, row.ttft_target_s, window),
        partial(latency_panel, "TPOT", "tpot", row.tpot_p90_s, row.tpot_target_s, window),
    )
    beside(partial(attainment_panel, row, window), partial(level, levels.QUEUE))
    beside(partial(level, levels.TRAFFIC), partial(level, levels.TOKENS))
    beside(partial(level, levels.KV), partial(replicas_panel, row, window))


def beside(left: Callable[[], None], right: Callable[[], None]) -> None:
    """Two panels side by side; on a phone one under the other, in this order."""
    for column, panel in zip(st.columns(2), (left, right), strict=True):
        with column:
            panel()


def demand_panel(row: ServiceRow, window: Series, load_erlangs: float | None, forecast: ForecastView | None) -> None:
    """Offered load, forecast, capacity by tier; the title states the finding."""
    columns = ["offered_erlangs", "capacity_erlangs", "ready_erlangs", "forecast_p50", "forecast_p95"]
    demand = frames.wide(window, columns)
    ahead = frames.fan(forecast, load_erlangs, window_s() / 3)
    finding = tiles.headroom_words(row)
    shell.panel("Demand and capacity", finding, partial(charts.demand, demand, ahead), demand, "demand")
    if forecast is not None:
        st.caption(
            f"Ahead of now: the greatest load expected within that time, P50 to P95 (faint: P99). Made "
            f"{format.time_of_day(forecast.made_at_s)} UTC."
        )


def latency_panel(name: str, signal: str, p90_s: float | None, target_s: float, window: Series) -> None:
    """One latency's quantiles against its target."""
    finding = tiles.latency_words(p90_s, target_s)
    table = frames.wide(window, [f"{signal}_{quantile}_s" for quantile in charts.QUANTILES])
    shell.panel(name, finding, partial(charts.quantiles, table, signal, 1000 * target_s), table, signal)


def attainment_panel(row: ServiceRow, window: Series) -> None:
    """The share of requests in time against the promise."""
    target = float(shell.api().policy(row.service).policy["slo"]["attainment"])
    table = frames.wide(window, ["attainment"])
    finding = f"{format.percent(row.attainment, 2)} lately, target {format.percent(target, 2)}"
    shell.panel("Attainment", finding, partial(charts.attainment, table, target), table, "attainment")


def replicas_panel(row: ServiceRow, window: Series) -> None:
    """Replicas by state, and how many there should be."""
    states = frames.wide(window, [*charts.REPLICAS, "replicas_desired"])
    chart = partial(charts.stacked, states, charts.REPLICAS, "replicas", "replicas_desired")
    shell.panel("Replicas by state", f"{row.replicas.active} active", chart, states, "replicas")


def level_panel(window: Series, newest: pd.DataFrame, level: Level) -> None:
    """Plain lines; the title says the newest values."""
    table = frames.wide(window, list(level.signals))
    chart = partial(charts.lines, table, level.signals, level.unit, level.axis_format)
    shell.panel(level.title, levels.newest(level, newest), chart, table, level.key)


@shell.live(shell.CHART_REFRESH_S)
def replicas() -> None:
    """Every replica and what it is doing."""
    api = shell.api()
    found, now_s = api.replicas(chosen()), api.fleet().clock.now_s
    st.markdown("**Replicas**")
    if not found:
        st.info("This service has no replicas now.", icon=":material/inbox:")
        return
    table = frames.replica_table(found, now_s)
    with st.container(key="stale-list" if api.service(chosen()).stale else "list"):
        st.dataframe(
            table, hide_index=True, column_config=REPLICA_COLUMNS, key="replica-table", placeholder=format.DASH
        )


@shell.live(shell.CHART_REFRESH_S)
def abilities() -> None:
    """What one replica carries, and how long one takes to get."""
    view = shell.api().capacity(chosen())
    st.markdown(f"**Capacity and lead times** {format.escape(capacity.finding(view))}")
    laws, leads = capacity.law_table(view), capacity.lead_time_table(view)
    left, right = st.columns(2)
    with left:
        st.dataframe(laws, hide_index=True, column_config=LAW_COLUMNS, key="law-table", placeholder=format.DASH)
        st.caption(format.escape(capacity.taught(view.learned)))
    with right:
        st.dataframe(leads, hide_index=True, column_config=LEAD_TIME_COLUMNS, key="lead-time-table")
        st.caption("Time from each tier to serving; configured figures count as five measurements.")


@shell.live(shell.CHART_REFRESH_S)
def why() -> None:
    """The latest decisions, equal ones in a row told once."""
    limit = st.session_state.setdefault("decisions-limit", FIRST_DECISIONS)
    rows = shell.api().decisions(chosen(), limit)
    st.markdown("**Decisions**")
    if not rows:
        st.info(
            "No decision yet; the first follows the first complete observation.",
            icon=":material/hourglass_empty:",
        )
    with st.container(key="decisions", gap="xsmall"):
        for spell in decisions.spells(rows):
            told(spell)
    if len(rows) == limit < MOST_DECISIONS:
        st.button("Show older decisions", on_click=show_older, icon=":material/history:")


def told(spell: decisions.Spell) -> None:
    """One line that opens to the reasons."""
    name, icon = f"decision-{spell.newest.id}", decisions.icon(spell)
    with st.expander(decisions.headline(spell), key=name, icon=icon, type="compact"):
        st.markdown(decisions.explanation(spell.newest))


def show_older() -> None:
    """Reach further back."""
    st.session_state["decisions-limit"] = min(MOST_DECISIONS, 4 * st.session_state["decisions-limit"])


def window_s() -> float:
    """How far back the charts reach, seconds."""
    return WINDOWS_S[st.session_state["window"]]


def chosen() -> str:
    """The service in the selector."""
    return str(st.session_state["service"])


def controls() -> bool:
    """Service and window; whether there is a service."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if shell.choose_service() is None:
            return False
        options = list(WINDOWS_S)
        st.segmented_control("Window", options, default="1 h", key="window", bind="query-params", required=True)
        return True


with shell.api_errors():
    if controls():
        now()
        history()
        replicas()
        abilities()
        why()
