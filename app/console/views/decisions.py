"""Decisions: inputs → proposal → clamps → applied, over all services; why not more, why not fewer; decide it again."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.api.schemas.decisions import DecisionDetail, DecisionRow, ReplayResult
from app.api.timeline import Timeline, Turn
from app.console import decisions, format, shell, timeline, waterfall

SPANS_S = {"1 h": 3600.0, "6 h": 6 * 3600.0, "24 h": 86400.0, "7 d": 7 * 86400.0}
REFRESH_S = 15.0
"""Wall-clock seconds between refreshes: a number turns every few minutes at most."""

ALL = "All services"
ANYTHING = "anything"
AROUND = 0.25
"""With ``?at=`` the range ends so much of its length after that moment."""

INPUTS = (
    ("arrivals_per_s", "requests a second", 2),
    ("mean_input_tokens", "input tokens a request", 0),
    ("mean_output_tokens", "output tokens a request", 0),
    ("running", "running", 0),
    ("waiting", "waiting", 0),
    ("kv_usage_ratio", "KV cache in use, share", 2),
)


def controls() -> bool:
    """Service, range, moment; whether there is a service."""
    names = shell.services()
    if not names:
        return False
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Service", [ALL, *names], key="service", bind="query-params", width=240)
        st.segmented_control("Range", list(SPANS_S), default="1 h", key="span", bind="query-params", required=True)
        if at_s() is not None:
            st.button("Back to now", on_click=to_now, icon=":material/update:")
    return True


def to_now() -> None:
    """Look at the newest again."""
    st.query_params.pop("at", None)


def at_s() -> float | None:
    """The moment that the address names."""
    return timeline.moment_of(st.query_params.get("at"))


def service() -> str | None:
    """The service chosen; None for all."""
    chosen = st.session_state.get("service")
    return None if chosen in (None, ALL) else str(chosen)


def asked() -> Timeline:
    """The timeline of what is chosen."""
    span_s, now_s = SPANS_S[str(st.session_state["span"])], shell.api().fleet().clock.now_s
    at = at_s()
    end_s = now_s if at is None else min(now_s, at + AROUND * span_s)
    params: dict[str, Any] = {"start": end_s - span_s, "end": end_s}
    if (name := service()) is not None:
        params["service"] = name
    return shell.api().read("/timeline", Timeline, params)


@shell.live(REFRESH_S)
def page() -> None:
    """Timeline, the choice of a decision, and that decision; without a choice the newest."""
    found = asked()
    if not found.turns:
        st.info(
            "No decision in this range. The first follows the first complete observation; choose a longer range or "
            "another moment.",
            icon=":material/hourglass_empty:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = {turn.binding for turn in found.turns} | {str(st.query_params.get("binding", ANYTHING))}
        bindings = sorted(shown - {ANYTHING})
        binding = st.selectbox("Decided by", [ANYTHING, *bindings], key="binding", bind="query-params", width=240)
        turns = timeline.chosen(found.turns, service(), None if binding in (ANYTHING, None) else binding)
        turn = picked(turns)
    lanes(found, turns, turn)
    if turn is not None:
        one(turn)


def picked(turns: list[Turn]) -> Turn | None:
    """The turn that is looked at: the one in force at ``?at=``, or the newest, until another is chosen."""
    if not turns:
        return None
    by_id = {turn.id: turn for turn in turns}
    ids = list(by_id)
    place = f"{service()}/{st.query_params.get('at')}"
    kept, looked_at = st.session_state.get("turn", ("", ""))
    first = ids.index(looked_at) if kept == place and looked_at in by_id else timeline.nearest(turns, at_s())
    key = f"turn/{place}/{ids[0]}/{len(ids)}"
    name = st.selectbox(
        "Turn",
        ids,
        index=first,
        format_func=lambda id: timeline.label(by_id[id]),
        key=key,
        on_change=keep,
        args=(key, place, ids[0]),
        width=420,
        help="Decisions that asked for another number than the one before, newest first.",
    )
    return by_id.get(name) if name else turns[first]


def keep(key: str, place: str, newest: str) -> None:
    """Remember what was chosen, so that it stays when new turns come; who chose the newest follows it."""
    chosen = st.session_state[key]
    st.session_state["turn"] = ("", "") if chosen == newest else (place, chosen)


def lanes(found: Timeline, turns: list[Turn], turn: Turn | None) -> None:
    """The timeline with its table and download."""
    table = timeline.frame(turns)
    words = timeline.finding(found, turns)
    chart = lambda: timeline.chart(turns, turn.at_s if turn else None)  # noqa: E731
    shell.panel("What was wanted, and what decided it:", words, chart, table, "timeline", "Nothing of this kind here.")


def one(turn: Turn) -> None:
    """One decision: what went in, what came of it, and what would have changed it."""
    st.markdown(f"## {format.escape(turn.service)} at {format.stamp(turn.at_s)} UTC")
    st.markdown(f":material/psychology: {format.escape(turn.sentence)}")
    left, right = st.columns([2, 3], gap="large")
    with left:
        inputs(turn)
        alternatives(turn)
        again(turn)
    with right:
        table = waterfall.table(turn)
        words = waterfall.sentence(turn)
        shell.panel("Proposal → clamps:", words, lambda: waterfall.chart(turn), table, "waterfall")
        outcome(turn)


def inputs(turn: DecisionRow) -> None:
    """What the decision was made from; what was not known is a dash."""
    st.markdown("**Inputs**")
    given = shell.api().read(f"/decisions/{turn.id}", DecisionDetail).inputs
    st.dataframe(input_table(turn, given), hide_index=True, key="inputs", placeholder=format.DASH)


def input_table(turn: DecisionRow, given: dict[str, Any]) -> pd.DataFrame:
    """Load, lengths, queue and the forecast's quantiles as name and value."""
    seen = given.get("observation") or {}
    rows = [("in rotation", format.number(turn.current_active, 0))]
    rows += [(label, format.number(seen.get(name), digits)) for name, label, digits in INPUTS]
    for constraint in turn.constraints:
        for told in constraint.quantiles:
            label = f"P{100 * told.tau:.0f} within {format.duration(told.horizon_s)}, erlangs"
            rows.append((label, format.number(told.erlangs, 2)))
    rows.append(("data", "complete" if seen.get("valid") else "incomplete: the controller held"))
    return pd.DataFrame(rows, columns=["What", "Value"])


def alternatives(turn: DecisionRow) -> None:
    """Why not more, why not fewer."""
    for more, question in ((True, "Why not more?"), (False, "Why not fewer?")):
        texts = waterfall.otherwise(turn, more)
        fallback = "It is at zero." if not more and turn.desired_active == 0 else "Nothing else was possible."
        st.markdown(f"**{question}** {format.escape('; '.join(texts) or fallback)}")


def outcome(turn: Turn) -> None:
    """Whether it was done, what it costs, and the link to it."""
    for text in decisions.money(turn):
        st.markdown(format.escape(text))
    icon = ":material/check_circle:" if turn.applied else ":material/visibility:"
    done = "Applied" if turn.applied else f"Not applied: mode {turn.mode}"
    lasted = format.duration(turn.until_s - turn.at_s)
    st.markdown(
        f"{icon} **{done}**, policy version {turn.policy_version}; asked for the same for {lasted}. `{turn.id}`"
    )
    query = {"service": turn.service, "at": f"{turn.at_s:.0f}"}
    with st.container(horizontal=True):
        st.page_link("views/decisions.py", label="Link to this decision", icon=":material/link:", query_params=query)
        service = {"service": turn.service}
        st.page_link("views/service.py", label=turn.service, icon=":material/monitoring:", query_params=service)
        st.page_link("views/policies.py", label="Its policy", icon=":material/tune:", query_params=service)


def again(turn: DecisionRow) -> None:
    """Decide it again from its stored inputs."""
    if st.button(
        "Decide again",
        key=f"replay/{turn.id}",
        icon=":material/replay:",
        help="Runs the decision once more on what is stored of its inputs, and compares bit for bit.",
    ):
        st.session_state["decided-again"] = shell.api().read(f"/decisions/{turn.id}/replay", ReplayResult)
    result: ReplayResult | None = st.session_state.get("decided-again")
    if result is None or result.id != turn.id:
        return
    if result.identical:
        st.success("The same inputs give the same decision, bit for bit.", icon=":material/check_circle:")
    else:
        st.warning("Decided again it is another one: the code has changed since.", icon=":material/difference:")


with shell.api_errors():
    if controls():
        page()
