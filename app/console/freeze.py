"""The freeze of the whole fleet: seen on every page, set and lifted on the Fleet page, always with an end."""

from __future__ import annotations

import streamlit as st

from app.api.schemas.overrides import FreezeWrite, OverrideLift, OverrideView
from app.console import format, policy_edit, shell
from app.console.client import ApiError
from app.console.policy_hands import HOURS

NOTICE = "freeze-notice"
PANEL = "freeze-panel"


def in_force(rows: list[OverrideView]) -> OverrideView | None:
    """The freeze of the fleet that lasts longest."""
    found = [row for row in rows if row.service is None and row.kind == "freeze" and row.in_force]
    return max(found, key=lambda row: row.until_s, default=None)


def section() -> None:
    """What is frozen until when and why, and the way to begin or end it."""
    frozen = in_force(shell.api().overrides())
    notice()
    if frozen is not None:
        st.warning(words(frozen), icon=":material/ac_unit:")
    title = "Lift the freeze" if frozen else "Freeze the fleet"
    with st.expander(title, icon=":material/ac_unit:", key=PANEL):
        left, middle, right = st.columns(3)
        if frozen is None:
            left.selectbox("For", list(HOURS), index=2, key="freeze-for")
        middle.text_input("Author", key="freeze-author", placeholder="your name", persist_state="session")
        if frozen is None:
            right.text_input("Reason", key="freeze-reason", placeholder="what for, in a few words")
            st.button("Freeze everything", key="freeze", type="primary", on_click=on_freeze, icon=":material/ac_unit:")
        else:
            st.button("Lift", key="freeze-lift", on_click=on_lift, args=(frozen.id,), icon=":material/lock_open:")


def words(frozen: OverrideView) -> str:
    """What is said of a freeze."""
    until, reason = format.stamp(frozen.until_s), format.escape(frozen.reason)
    return (
        f"**The fleet is frozen** until {until} UTC, by {format.escape(frozen.author)}: {reason}. Nothing changes size."
    )


def notice() -> None:
    """What the last action came to, once."""
    told: tuple[bool, str] | None = st.session_state.pop(NOTICE, None)
    if told is not None:
        (st.success if told[0] else st.error)(format.escape(told[1]))


def on_freeze() -> None:
    """Freeze everything as the form says."""
    author, reason = policy_edit.signature("freeze")
    if problem := policy_edit.unsigned(author, reason):
        st.session_state[NOTICE] = (False, problem)
        return
    for_s = HOURS[str(st.session_state["freeze-for"])] * 3600
    try:
        made = shell.api().freeze_fleet(FreezeWrite(for_s=for_s, author=author, reason=reason))
    except ApiError as error:
        st.session_state[NOTICE] = (False, f"Nothing is frozen. {error}")
        return
    st.session_state["freeze-reason"] = ""
    st.session_state[NOTICE] = (True, f"Frozen until {format.stamp(made.until_s)} UTC.")


def on_lift(id: str) -> None:
    """End it early."""
    author, _ = policy_edit.signature("freeze")
    if not author:
        st.session_state[NOTICE] = (False, "Say who you are: it is recorded who lifted it.")
        return
    try:
        shell.api().lift(id, OverrideLift(author=author))
    except ApiError as error:
        st.session_state[NOTICE] = (False, f"Nothing was lifted. {error}")
        return
    st.session_state[NOTICE] = (True, "The freeze is over.")
