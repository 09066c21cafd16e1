"""Cost: what it comes to, for whom and what for, whether the month's budget holds, and what the next months need."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app.console import cost, cost_charts, format, shell
from app.console.client import ApiError
from app.reports.views import BudgetView, CapacityLine, CostSeries, CostView, SavingsView

DAY_S = 86400.0
SPANS = {"24 h": DAY_S, "7 d": 7 * DAY_S, "30 d": 30 * DAY_S, "90 d": 90 * DAY_S}
ALL = "All services"
POINTS = 200
"""Most stretches of a chart: more than a screen tells apart, and each says its dearest hour."""

REFRESH_S = 30.0
"""Wall-clock seconds between refreshes: an hour's cost moves slowly."""

LONG = "Playing the days of every service"

NOTHING = "Nothing metered in this span yet: the first hour appears one tick after the start."

ONE_HOUR = "GPUs are told by the hour: a line needs two of them."

MONEY = partial(st.column_config.NumberColumn, format="$%.2f")
PRICE = partial(st.column_config.NumberColumn, format="$%.3f")
SERVICE_COLUMNS = {
    "name": st.column_config.TextColumn("Service", pinned=True),
    "usd": MONEY("Cost"),
    "share": st.column_config.ProgressColumn("Share", format="%.1f %%", min_value=0, max_value=100),
    "gpu_hours": st.column_config.NumberColumn("GPU-hours", format="%.1f"),
    "million_tokens": st.column_config.NumberColumn("M tokens", format="%.2f"),
    "marginal": PRICE("Marginal $/M"),
    "serving": PRICE("Serving $/M"),
    "fully_loaded": PRICE("Fully loaded $/M"),
    "waste": st.column_config.NumberColumn("Waste", format="%.1f %%"),
    "input_usd": MONEY("Input", help="Prompt tokens that were not cached, fully loaded."),
    "cached_usd": MONEY("Cached", help="Cached prompt tokens: being read at every decode step."),
    "output_usd": MONEY("Output", help="Answer tokens, fully loaded."),
    "joules_per_token": st.column_config.NumberColumn("J per token", format="%.2f"),
    "kg_co2": st.column_config.NumberColumn("kg CO₂e", format="%.1f"),
}
BUDGET_COLUMNS = {
    "budget": st.column_config.TextColumn("Budget"),
    "for": st.column_config.TextColumn("For"),
    "state": st.column_config.TextColumn("State"),
    "spent": MONEY("Spent"),
    "share": st.column_config.ProgressColumn("Of it", format="%.0f %%", min_value=0, max_value=100),
    "limit": MONEY("Per month"),
    "forecast": MONEY("Month's end", help="Spent, and the mean of the last whole days for what is left."),
    "low": MONEY("90 % from"),
    "high": MONEY("to"),
    "over": st.column_config.DatetimeColumn("Spent by", format="D MMM YYYY", timezone="UTC"),
}
SAVING_COLUMNS = {
    "against": st.column_config.TextColumn("Against"),
    "setting": st.column_config.TextColumn("Setting"),
    "metered": MONEY("Metered"),
    "would_cost": MONEY("It would cost"),
    "saved": MONEY("Saved"),
    "low": MONEY("90 % from"),
    "high": MONEY("to"),
    "attainment": st.column_config.NumberColumn("Its attainment", format="%.2f %%"),
    "days": st.column_config.NumberColumn("Days"),
}
TENANT_COLUMNS = {
    "name": st.column_config.TextColumn("Tenant"),
    "usd": MONEY("Cost"),
    "million_tokens": st.column_config.NumberColumn("M tokens", format="%.2f"),
    "usd_per_million": PRICE("$/M"),
}


@shell.live(REFRESH_S)
def page() -> None:
    """Finding, strip, charts and tables of the chosen span."""
    params = chosen()
    api = shell.api()
    view = api.read("/cost", CostView, params)
    series = api.read("/cost/series", CostSeries, params | {"max_points": POINTS})
    budgets = api.read("/cost/budgets", list[BudgetView])
    st.markdown(f"## {format.escape(cost.headline(view))}")
    if not view.total.total_usd:
        st.info(NOTHING, icon=":material/hourglass_empty:")
        return
    gaps(view)
    shell.tile_strip(cost.cost_tiles(view, series, budgets), False)
    over_time(series)
    who(view)
    standing(budgets)
    saved(params)
    ahead(params)
    st.caption("As one page, PDF or CSV: `leadtime report month --html report.html --pdf report.pdf --csv report.csv`.")


def gaps(view: CostView) -> None:
    """What is not known, before any number."""
    if view.gaps:
        told = "; ".join(view.gaps)
        st.info(f"**Not known:** {format.escape(told)}.", icon=":material/help:")


def over_time(series: CostSeries) -> None:
    """Dollars per hour by what they went to, and prices of tokens."""
    frame = cost.series_frame(series)
    parts = cost.used_parts(frame)
    words = "by what they went to" + (
        ""
        if series.step_s == cost_charts.HOUR_S
        else f"; mean of {series.step_s // 3600} h, the dearest hour as a line"
    )
    table = frame[["time", *parts, cost_charts.DEAREST]]
    shell.panel(
        "Dollars per hour", words, partial(cost_charts.spent, table, parts, series.step_s), table, "spent", NOTHING
    )
    table = frame[["time", *cost_charts.PRICES]]
    words = "marginal, serving, fully loaded"
    empty = "No tokens counted in this span, so there is no price of one."
    shell.panel("Dollars per million tokens", words, partial(cost_charts.prices, table), table, "prices", empty)


def who(view: CostView) -> None:
    """By service and part, the figures of each, and tenants."""
    if view.service is None:
        frame = cost.parts_frame(view.services)
        parts = [part for part in cost_charts.PARTS if (frame[part] > 0).any()]
        chart = partial(cost_charts.by_name, frame[["name", *parts]], parts)
        shell.panel("Where the money went", "by service and part", chart, frame[["name", *parts]], "parts", NOTHING)
    st.markdown("**Figures by service**")
    lines = view.services if view.service is None else [view.total.model_copy(update={"name": view.service})]
    st.dataframe(
        cost.line_frame(lines),
        hide_index=True,
        column_config=SERVICE_COLUMNS,
        key="cost-services",
        placeholder=format.DASH,
    )
    if view.tenants:
        st.markdown("**By tenant**, each hour's whole cost by tokens")
        st.dataframe(
            cost.tenant_frame(view.tenants),
            hide_index=True,
            column_config=TENANT_COLUMNS,
            key="cost-tenants",
            placeholder=format.DASH,
        )


def standing(budgets: list[BudgetView]) -> None:
    """Budgets of this calendar month."""
    st.markdown("**Budgets of this month**")
    if not budgets:
        st.info("No budget yet: give `cost.budgets` in the fleet file.", icon=":material/savings:")
        return
    for one in budgets:
        if one.alert:
            words = f"Budget {one.name}: {one.state}, heading for {format.usd(one.forecast_usd)}"
            st.warning(
                f"{format.escape(words)} of {format.escape(format.usd(one.usd_per_month))}.", icon=":material/warning:"
            )
    st.dataframe(
        cost.budget_frame(budgets),
        hide_index=True,
        column_config=BUDGET_COLUMNS,
        key="cost-budgets",
        placeholder=format.DASH,
    )


def saved(params: dict[str, Any]) -> None:
    """Against other ways to run the service, or all of them: each is played on its load."""
    st.markdown("**Savings on the same traffic, simulated**")
    found = shell.api().read("/cost/savings", SavingsView, params) if "service" in params else of_all(params)
    if found is None:
        return
    if not found.savings:
        st.info("No whole day (UTC) of this span is known yet, load and cost.", icon=":material/hourglass_empty:")
        return
    st.dataframe(
        cost.saving_frame(found.savings),
        hide_index=True,
        column_config=SAVING_COLUMNS,
        key="cost-savings",
        placeholder=format.DASH,
    )


def of_all(params: dict[str, Any]) -> SavingsView | None:
    """The fleet's savings once somebody asked for them, since every day of every service is played; None before."""
    span = st.session_state["span"]
    if st.button("Play the days of all services", icon=":material/compare_arrows:", key="play-all"):
        play(span, params)
    kept: tuple[str, float, SavingsView] | None = st.session_state.get("savings-of-all")
    if kept is None or kept[0] != span:
        st.info("Choose a service, or play all: about a second for each service.", icon=":material/info:")
        return None
    if kept[1] != params["end"]:
        st.caption(f":material/sync_problem: Played up to {format.stamp(kept[1])}.")
    return kept[2]


def play(span: str, params: dict[str, Any]) -> None:
    """Ask, with a bar that says how far it is."""
    bar = st.progress(0.0, LONG)
    try:
        found = shell.api().compute(
            "/cost/savings", SavingsView, params, lambda share: bar.progress(share, f"{LONG}: {share:.0%}")
        )
    except ApiError as error:
        st.error(format.escape(f"Nothing was played. {error}"), icon=":material/error:")
    else:
        st.session_state["savings-of-all"] = (span, params["end"], found)
    finally:
        bar.empty()


def ahead(params: dict[str, Any]) -> None:
    """GPUs by type: held, to come, and what to buy."""
    whole = {name: value for name, value in params.items() if name != "service"}
    for line in shell.api().read("/cost/capacity", list[CapacityLine], whole):
        table = cost.gpu_frame(line)
        chart = partial(cost_charts.gpus, table)
        drawn = table if len(table) > 1 else table[["time"]]
        shell.panel(f"{line.gpu}:", cost.gpu_words(line), chart, drawn, f"gpus-{line.gpu}", ONE_HOUR)
        if words := cost.purchase_words(line):
            st.markdown(format.escape(words))


def controls() -> bool:
    """Service and span; whether there is a service."""
    names = shell.services()
    if not names:
        return False
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Service", [ALL, *names], key="of", bind="query-params", width=280)
        st.segmented_control("Span", list(SPANS), default="7 d", key="span", bind="query-params", required=True)
    return True


def chosen() -> dict[str, Any]:
    """The span to ask for, as whole hours so that a refresh asks the same, and the service if one is chosen."""
    now_s = shell.api().fleet().clock.now_s
    end_s = -(-now_s // 3600) * 3600
    span = {"start": end_s - SPANS[str(st.session_state["span"])], "end": end_s}
    of = str(st.session_state["of"])
    return span if of == ALL else span | {"service": of}


with shell.api_errors():
    if controls():
        page()
