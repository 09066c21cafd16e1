"""GPUs: which are busy, held and idle, who holds which, how hard they work, and which are sick."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.api.nodes import NodesView, NodeView
from app.console import format, gpus, shell

ALL = "All services"

COLUMNS = {
    "node": st.column_config.TextColumn("Node", pinned=True),
    "gpu": st.column_config.TextColumn("GPU", pinned=True),
    "state": st.column_config.TextColumn("State"),
    "service": st.column_config.TextColumn("Service"),
    "replica": st.column_config.TextColumn("Replica"),
    "tier": st.column_config.TextColumn("Tier", help="The replica's tier, or what is being done to it."),
    "tensor": st.column_config.ProgressColumn("Tensor cores", format="%.0f %%", min_value=0, max_value=100),
    "bandwidth": st.column_config.ProgressColumn("Memory bandwidth", format="%.0f %%", min_value=0, max_value=100),
    "busy": st.column_config.NumberColumn("GPU util", format="%.0f %%", help="Says little: 100 % may do nothing much."),
    "memory": st.column_config.ProgressColumn("Memory", format="%.0f %%", min_value=0, max_value=100),
    "memory_gib": st.column_config.NumberColumn("Used", format="%.1f GiB"),
    "watts": st.column_config.NumberColumn("Power", format="%.0f W"),
    "celsius": st.column_config.NumberColumn("Temperature", format="%.0f °C"),
    "xid": st.column_config.NumberColumn("XID", format="%d", help="The last one; 0 is none."),
    "asks for": st.column_config.TextColumn("Asks for", help="What the XID asks for."),
    "ecc": st.column_config.NumberColumn("ECC", format="%d", help="Memory errors that could not be corrected."),
    "remap failed": st.column_config.NumberColumn("Remap failed", format="%d"),
    "model": st.column_config.TextColumn("Model"),
    "uuid": st.column_config.TextColumn("UUID"),
}


@shell.live(shell.CHART_REFRESH_S)
def page() -> None:
    """Strip, map, sick ones."""
    found, view = shell.api().read("/nodes", NodesView), shell.api().fleet()
    if not found.nodes:
        st.info(
            "No GPUs yet. They appear once a dcgm-exporter is scraped, or a replica says which GPUs it holds.",
            icon=":material/inbox:",
        )
        return
    service = st.session_state.get("service")
    nodes = gpus.chosen(found, None if service in (None, ALL) else str(service), bool(st.session_state.get("trouble")))
    shell.tile_strip(gpus.tiles(nodes), view.stale)
    gaps(nodes)
    with st.container(key="stale-map" if view.stale else "map"):
        the_map(nodes)
    sick(nodes)


def the_map(nodes: list[NodeView]) -> None:
    """The map with its table."""
    data = gpus.frame(nodes)
    table = data.drop(columns=["slot", "letter"], errors="ignore")
    by = str(st.session_state.get("colour") or "State")
    empty = "No node fits what is chosen above."
    shell.panel("Nodes and GPUs:", gpus.finding(nodes), lambda: gpus.chart(data, by), table, "gpu-map", empty, COLUMNS)


def gaps(nodes: list[NodeView]) -> None:
    """What is not known, named."""
    told = [f"**{format.escape(node.node)}**: {format.escape(node.gap)}" for node in nodes if node.gap]
    if told:
        more = f" and {len(told) - 5} more nodes" if len(told) > 5 else ""
        st.warning(f"Not all is known. {'; '.join(told[:5])}{more}.", icon=":material/sync_problem:")


def sick(nodes: list[NodeView]) -> None:
    """GPUs that want a look, and what their XID asks for."""
    data = gpus.frame(nodes)
    st.markdown("**Sick GPUs**")
    wanted = data[data["state"] == gpus.STATES["faulty"][0]] if len(data) else pd.DataFrame()
    if not len(wanted):
        st.markdown(":green[:material/check_circle: None.]")
        return
    names = ["node", "gpu", "service", "replica", "xid", "asks for", "ecc", "remap failed", "uuid"]
    st.dataframe(wanted[names], hide_index=True, column_config=COLUMNS, key="sick", placeholder=format.DASH)


def controls() -> None:
    """Service, what colours the map, and whether only trouble is shown."""
    names = [row.service for row in shell.api().fleet().services]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Service", [ALL, *names], key="service", bind="query-params", width=240)
        st.selectbox("Coloured by", list(gpus.COLOURED), key="colour", bind="query-params", width=240)
        st.toggle("Only what wants a look", key="trouble", bind="query-params")


with shell.api_errors():
    controls()
    page()
