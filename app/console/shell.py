"""What every page shares: the API client, the header, live parts, charts with their tables, and designed failures.

This is the thin Streamlit shell; what is shown is decided in the pure modules beside it. Time is the API's clock
(which may be virtual), never the browser's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.api.schemas.overrides import OverrideView
from app.api.schemas.services import ServiceRow
from app.console import format, frames, session, tiles
from app.console.client import Api, ApiDown, ApiError
from app.console.options import DEFAULT_API

REFRESH_S = 2.0
"""Wall-clock seconds between refreshes of tiles, badges and tables."""
CHART_REFRESH_S = 5.0
"""Wall-clock seconds between refreshes of charts."""


REFRESH = {"Live": 1.0, "Every 30 s": 30.0, "Paused": None}
"""How often pages refresh by themselves: as they will, no more often than that, or not at all."""


def refresh() -> str:
    """What the operator chose."""
    chosen = st.session_state.get("refresh")
    return chosen if chosen in REFRESH else "Live"


def every(run_every_s: float) -> float | None:
    """Seconds between refreshes of a part that would refresh so often."""
    least = REFRESH[refresh()]
    return None if least is None else max(run_every_s, least)


@st.cache_resource(show_spinner=False, max_entries=256)
def client(base_url: str, token: str | None = None) -> Api:
    """One client per address and credential, shared by all sessions that show the same."""
    return Api(base_url, token=token)


def api() -> Api:
    """The client of the address in ``LEADTIME_API``, with the credential of whoever looks."""
    address, token = os.environ.get("LEADTIME_API", DEFAULT_API), session.shown()
    return client(address, token) if token else client(address)


def live(run_every_s: float) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Make a function a part of the page that refreshes by itself and survives an API that does not answer."""

    def decorate(body: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            with api_errors():
                body()

        guarded.__name__ = guarded.__qualname__ = f"{body.__module__}.{body.__qualname__}"
        part: Callable[[], None] = st.fragment(guarded, run_every=every(run_every_s))
        return part

    return decorate


@contextmanager
def api_errors() -> Iterator[None]:
    """Show a failure of the API as one line where the data would have been; that it is down, the header says."""
    try:
        yield
    except ApiDown:
        pass
    except ApiError as error:
        st.error(format.escape(str(error)), icon=":material/error:")


def style() -> None:
    """The few rules that Streamlit's options cannot express."""
    st.html(Path(__file__).with_name("style.css"))


@st.fragment(run_every=REFRESH_S)
def header(title: str) -> None:
    """The page's title, clock and its speed, modes, freshness: on every page, live.

    When the API comes back or its services change, the whole page runs again, also where it is not live.
    """
    try:
        view, held = api().probe(), api().overrides()
    except ApiError as error:
        st.session_state["services-seen"] = None
        failed_header(title, error)
        return
    names = [row.service for row in view.services]
    if st.session_state.setdefault("services-seen", names) != names:
        st.session_state["services-seen"] = names
        st.rerun()
    with header_row(title):
        st.badge(format.clock(view.clock.now_s), icon=":material/schedule:", color="gray")
        speed_badge(view.clock.speed)
        modes = format.modes([row.mode for row in view.services])
        st.badge(f"Mode: {modes}", icon=format.MODE_ICONS.get(modes, ":material/tune:"), color="blue")
        freshness_badge(view.data_age_s, view.stale)
        frozen_badge(held)
        if refresh() != "Live":
            st.badge(refresh(), icon=":material/pause:", color="orange")


def failed_header(title: str, error: ApiError) -> None:
    """The header while the API fails; the one place that says how to start it. What was known last stays, in grey."""
    down = isinstance(error, ApiDown)
    with header_row(title):
        st.badge("API down" if down else "API error", icon=":material/cloud_off:", color="red")
    if down:
        silent_s = api().silent_s
        since = "" if silent_s is None else f" Below is what it answered {format.duration(silent_s)} ago."
        with st.container(key="silent"):
            st.error(f"**API down.** {error}{since}", icon=":material/cloud_off:")


def header_row(title: str) -> DeltaGenerator:
    """The row of the header, begun with where one is: on a phone the navigation is folded away."""
    row = st.container(key="header", horizontal=True, vertical_alignment="center", gap="small")
    row.title(f"Leadtime · {title}", anchor=False, width="content")
    return row


def speed_badge(speed: float) -> None:
    """Says when time is virtual."""
    if speed == 1:
        st.badge(format.speed(speed), icon=":material/timer:", color="gray")
    else:
        st.badge(format.speed(speed), icon=":material/fast_forward:", color="violet")


def freshness_badge(age_s: float | None, stale: bool) -> None:
    """How old the data is, in words."""
    color: Literal["gray", "red", "green"] = "gray" if age_s is None else "red" if stale else "green"
    icon = ":material/sync_problem:" if stale or age_s is None else ":material/check_circle:"
    st.badge(format.freshness(age_s, stale), icon=icon, color=color)


def frozen_badge(held: list[OverrideView]) -> None:
    """Says until when the whole fleet is frozen."""
    until_s = max((row.until_s for row in held if row.service is None and row.kind == "freeze"), default=None)
    if until_s is not None:
        st.badge(f"Frozen until {format.stamp(until_s)[5:16]} UTC", icon=":material/ac_unit:", color="orange")


def controls() -> None:
    """How often pages refresh, and the way to have all anew now."""
    with (
        st.container(key="refreshing", horizontal=True, horizontal_alignment="right"),
        st.popover("Refresh", icon=":material/refresh:", type="tertiary"),
    ):
        st.segmented_control(
            "Refresh", list(REFRESH), default="Live", key="refresh", bind="query-params", required=True
        )
        st.button("Refresh now", icon=":material/refresh:", on_click=anew, key="refresh-now")


def anew() -> None:
    """Ask the API for everything again."""
    api().forget()


def tile_strip(items: list[tiles.Tile], stale: bool) -> None:
    """Tiles side by side, wrapping on narrow screens; greyed where their data is stale, as all is in an outage."""
    stale = stale or api().down
    with (
        st.container(key="stale-strip" if stale else "strip"),
        st.container(key="tiles", horizontal=True),
    ):
        for tile in items:
            show_tile(tile, stale)


def show_tile(tile: tiles.Tile, stale: bool) -> None:
    """One tile; a verdict on stale data is not one."""
    verdict: tiles.Verdict = "unknown" if stale else tile.verdict
    st.metric(
        tile.label,
        tile.value,
        f"{tiles.ICONS[verdict]} {format.escape(tile.note)}{' (stale)' if stale else ''}",
        delta_color=tiles.COLOURS[verdict],
        delta_arrow="off",
        help=tile.help,
        border=True,
        chart_data=[float("nan") if point is None else point for point in tile.points] or None,
    )


def panel(
    name: str,
    finding: str,
    chart: Callable[[], alt.LayerChart],
    table: pd.DataFrame,
    key: str,
    empty: str = "No data in this window yet.",
    columns: dict[str, Any] | None = None,
) -> None:
    """A chart under its name and what it shows now; its numbers and their download are folded under it.

    One sentence, ``empty``, stands in its place where there is no data.
    """
    st.markdown(f"**{name}** {format.escape(finding)}")
    if not frames.has_points(table):
        st.info(empty, icon=":material/hourglass_empty:")
        return
    st.altair_chart(chart(), key=f"{key}-chart", alt=name)
    with st.expander(
        "Table and download", key=f"{key}-table", icon=":material/table:", type="compact", on_change="rerun"
    ) as fold:
        if fold.open:
            st.dataframe(table.iloc[::-1], hide_index=True, height=240, column_config=headed(table) | (columns or {}))
            st.download_button(
                "Download CSV",
                table.to_csv(index=False),
                f"{key}.csv",
                "text/csv",
                key=f"{key}-csv",
                icon=":material/download:",
                on_click="ignore",
            )


def headed(table: pd.DataFrame) -> dict[str, Any]:
    """Columns with their names in words, moments in UTC; the download keeps the names as they are."""
    moments = {"time": "Time, UTC", "until": "Until, UTC"}
    dated = partial(st.column_config.DatetimeColumn, format="YYYY-MM-DD HH:mm:ss", timezone="UTC")
    return {name: dated(moments[name]) if name in moments else name.replace("_", " ") for name in table.columns}


def choose_service() -> str | None:
    """The service selector, bound to ``?service=``; None (and a word about it) where there is none."""
    names = services()
    if not names:
        return None
    return st.selectbox("Service", names, key="service", bind="query-params", width=280)


def services() -> list[str]:
    """Names of the fleet's services; a word about it where there is none."""
    names = [row.service for row in api().fleet().services]
    if not names:
        no_services()
    return names


def no_services() -> None:
    """What an empty fleet looks like."""
    st.info("No services yet. They appear here once the daemon has read its configuration.", icon=":material/inbox:")


def stale_notice(row: ServiceRow) -> None:
    """Names stale data and what the controller does about it."""
    if row.data_age_s is None:
        st.info(
            f"No complete observation of {format.escape(row.service)} yet: the controller holds until there is one.",
            icon=":material/hourglass_empty:",
        )
    elif row.stale:
        st.warning(
            f"Data of {format.escape(row.service)} is stale ({format.duration(row.data_age_s)} old): "
            "the values below are the last ones known, and the controller holds.",
            icon=":material/sync_problem:",
        )
