"""Fleet: the five-second screen. Is anything wrong, what does it cost, where should I look?"""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from app.api.schemas.fleet import AttentionItem, FleetView, RackRow
from app.console import charts, format, frames, freeze, shell, tiles

WINDOWS_S = {"1 h": 3600.0, "6 h": 21600.0, "24 h": 86400.0, "7 d": 604800.0}
SHOWN_ATTENTION = 4  # lines shown at once; the rest is folded, so that the table stays in sight

STALE = "#737d86"  # a cell's colour knows no theme; this grey is told from both backgrounds alike

SEVERITY = {
    "critical": (":material/error:", "red"),
    "warning": (":material/warning:", "orange"),
    "info": (":material/info:", "gray"),
}

COLUMNS = {
    "service": st.column_config.LinkColumn(
        "Service", display_text=r"service=(.+)$", help="Open the service's page.", pinned=True
    ),
    "mode": st.column_config.TextColumn("Mode", help="off, shadow (decide, do not act), auto, paused"),
    "data": st.column_config.TextColumn("Data", help="Whether the last observation is recent."),
    "attainment": st.column_config.ProgressColumn(
        "Attainment", format="%.2f %%", min_value=0, max_value=100, help="Requests within the SLO."
    ),
    "demand": st.column_config.AreaChartColumn("Demand", width="small", help="Offered load, recent."),
    "load": st.column_config.ProgressColumn(
        "Load", format="%.0f %%", min_value=0, max_value=100, help="Offered load over capacity in rotation."
    ),
    "replicas": st.column_config.TextColumn("Replicas", help="In rotation now → wanted."),
    "spare": st.column_config.NumberColumn("Spare", format="%d", help="Standby and asleep."),
    "risk": st.column_config.NumberColumn("Risk", format="%.1f %%", help="Risk of shortfall."),
    "kv": st.column_config.ProgressColumn(
        "KV cache", format="%.0f %%", min_value=0, max_value=100, help="KV blocks in use."
    ),
    "waiting": st.column_config.NumberColumn("Queue", format="%d", help="Requests waiting."),
    "ttft": st.column_config.NumberColumn("TTFT P90", format="%,.0f ms"),
    "tpot": st.column_config.NumberColumn("TPOT P90", format="%,.0f ms"),
    "usd_per_million": st.column_config.NumberColumn("$ / 1M tok", format="$%.2f"),
    "usd_per_hour": st.column_config.NumberColumn("$ / hour", format="$%.2f"),
}

RACK_COLUMNS = {
    "rack": st.column_config.TextColumn("Rack", pinned=True),
    "services": st.column_config.TextColumn("Services", help="Who sleeps on these GPUs."),
    "held": st.column_config.NumberColumn("Held", format="%d"),
    "used": st.column_config.NumberColumn("Used", format="%d", help="A replica is awake on them."),
    "lent": st.column_config.NumberColumn("Lent", format="%d", help="Held, and nobody is awake on them."),
    "ordered": st.column_config.NumberColumn("Ordered", format="%d", help="On their way."),
    "wanted": st.column_config.NumberColumn("Wanted", format="%d", help="By the last decision."),
    "needed_together": st.column_config.NumberColumn(
        "Together", format="%d", help="What all may need before more could be there."
    ),
    "needed_apart": st.column_config.NumberColumn("Apart", format="%d", help="If each insured itself."),
    "usd_per_hour": st.column_config.NumberColumn("Idle $ / hour", format="$%.2f", help="What lent GPUs still cost."),
}


@shell.live(shell.REFRESH_S)
def overview() -> None:
    """Strip, attention list, table."""
    view = shell.api().fleet()
    shell.tile_strip(tiles.fleet_tiles(view), view.stale)
    attention(tiles.ordered(view.attention))
    services(view)
    racks(shell.api().racks())


def attention(items: list[AttentionItem]) -> None:
    """What to look at, worst first; every line leads to its service."""
    st.markdown("**Needs attention**" + (f" ({len(items)})" if items else ""))
    if not items:
        st.markdown(":green[:material/check_circle: Nothing needs attention.]")
        return
    with st.container(key="attention"):
        for item in items[:SHOWN_ATTENTION]:
            attention_line(item)
        if len(items) > SHOWN_ATTENTION:
            with st.expander(f"{len(items) - SHOWN_ATTENTION} more", type="compact"):
                for item in items[SHOWN_ATTENTION:]:
                    attention_line(item)


def attention_line(item: AttentionItem) -> None:
    """Severity as icon and word, service, what is the matter; what concerns no one service leads nowhere."""
    icon, colour = SEVERITY[item.severity]
    text = f":{colour}[**{item.severity.capitalize()}**] **{format.escape(item.service)}** "
    label = text + format.escape(item.text)
    if item.service:
        st.page_link("views/service.py", label=label, icon=icon, query_params={"service": item.service})
    else:
        st.markdown(f"{icon} {label}")


def services(view: FleetView) -> None:
    """One row per service; rows with stale data are grey and say so."""
    st.markdown("**Services**")
    if not view.services:
        shell.no_services()
        return
    table = frames.fleet_table(view.services)
    st.dataframe(
        table.style.apply(grey_if_stale, axis=1),
        hide_index=True,
        column_config=COLUMNS,
        key="services",
        placeholder=format.DASH,
        row_height=38,
    )


def racks(rows: list[RackRow]) -> None:
    """GPUs that services share, and why so many are held; nothing where there is no rack."""
    if not rows:
        return
    st.markdown("**Shared GPUs**")
    table = frames.rack_table(rows)
    st.dataframe(table, hide_index=True, column_config=RACK_COLUMNS, key="racks", placeholder=format.DASH)
    for row in rows:
        said = row.sentence or "the fleet has not told of it, so nothing is decided about it"
        shadow = "" if row.acts in (True, None) else " (not applied: a service is not in auto mode)"
        st.markdown(f"**{format.escape(row.rack)}**: {format.escape(said)}{shadow}")


def grey_if_stale(row: pd.Series) -> list[str]:
    """Cell styles of one row."""
    return ["" if row["data"] == "fresh" else f"color: {STALE}"] * len(row)


@shell.live(shell.CHART_REFRESH_S)
def gpus() -> None:
    """What the GPUs did in the window, if anything is known of it."""
    api = shell.api()
    view = api.fleet()
    now_s = view.clock.now_s
    window = str(st.session_state.get("window") or "1 h")
    window_s = WINDOWS_S[window]
    frame = frames.wide(api.series("_fleet", tuple(charts.GPUS), now_s - window_s, now_s), tuple(charts.GPUS))
    with st.container(key="stale-gpus" if view.stale else "gpus"):
        shell.panel(
            "GPUs", f"by use, last {window}", partial(charts.stacked, frame, charts.GPUS, "GPUs"), frame, "gpus"
        )


overview()
with shell.api_errors():
    freeze.section()
    st.segmented_control("Window", list(WINDOWS_S), default="1 h", key="window", bind="query-params", required=True)
gpus()
