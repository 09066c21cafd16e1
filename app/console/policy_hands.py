"""The Policies page's part for what is decided by hand: freezes, pins and floors, with end, author and reason."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.api.schemas.overrides import FreezeWrite, OverrideLift, OverrideView, OverrideWrite
from app.console import format, policy_edit, shell
from app.console.client import ApiError
from app.console.policy_edit import Edit, Notice

KINDS = {"freeze": "Freeze: nothing changes", "pin": "Pin: exactly so many", "at_least": "Floor: at least so many"}
HOURS = {"30 min": 0.5, "1 h": 1.0, "2 h": 2.0, "8 h": 8.0, "1 day": 24.0, "7 days": 168.0}
WHOLE_FLEET = "Freeze the whole fleet"


def section(edit: Edit) -> None:
    """What is in force, how to end it, and how to begin another."""
    st.markdown("## By hand")
    notice = edit.notice if edit.notice and edit.notice.place == "hand" else None
    if notice:
        (st.success if notice.good else st.error)(format.escape(notice.text))
    rows = [row for row in shell.api().overrides() if row.service in (None, edit.base.service)]
    if rows:
        st.dataframe(table(rows), hide_index=True)
    else:
        st.info("Nothing is held by hand.", icon=":material/pan_tool:")
    with st.expander("Freeze, pin or hold", icon=":material/pan_tool:", key="hand-panel"):
        begin(edit)
        if rows:
            end(edit, rows)


def table(rows: list[OverrideView]) -> pd.DataFrame:
    """One line an override."""
    return pd.DataFrame(
        [
            {
                "what": said(row),
                "for": row.service or "the fleet",
                "until, UTC": format.stamp(row.until_s),
                "author": row.author,
                "reason": row.reason,
            }
            for row in rows
        ]
    )


def said(row: OverrideView) -> str:
    """An override in two or three words."""
    return {"freeze": "frozen", "pin": f"pinned to {row.replicas}", "at_least": f"at least {row.replicas}"}[row.kind]


def begin(edit: Edit) -> None:
    """The form of a new one."""
    kinds = [*KINDS.values(), WHOLE_FLEET]
    with st.container(horizontal=True):
        kind = st.selectbox("What", kinds, key="hand-kind")
        st.selectbox("For", list(HOURS), index=2, key="hand-for")
        if kind in (KINDS["pin"], KINDS["at_least"]):
            st.number_input("Active replicas", min_value=0, value=1, step=1, key="hand-replicas")
    sign("hand")
    st.button("Hold", type="primary", key="hand", on_click=on_hold, args=(edit,), icon=":material/pan_tool:")


def end(edit: Edit, rows: list[OverrideView]) -> None:
    """The way to end one early, under the same name."""
    by_id = {row.id: f"{said(row)}, {row.service or 'the fleet'}, by {row.author}" for row in rows}
    chosen = st.selectbox("In force", list(by_id), format_func=by_id.__getitem__, key="hand-id")
    st.button("Lift", key="lift", on_click=on_lift, args=(edit, chosen), icon=":material/lock_open:")


def sign(name: str) -> None:
    """Author and reason."""
    st.text_input("Author", key=f"{name}-author", placeholder="your name", persist_state="session")
    st.text_input("Reason", key=f"{name}-reason", placeholder="what for, in a few words")


def on_hold(edit: Edit) -> None:
    """Begin an override as the form says."""
    if (by := policy_edit.signed(edit, "hand")) is None:
        return
    author, reason = by
    label, for_s = st.session_state["hand-kind"], HOURS[st.session_state["hand-for"]] * 3600
    try:
        if label == WHOLE_FLEET:
            made = shell.api().freeze_fleet(FreezeWrite(for_s=for_s, author=author, reason=reason))
        else:
            made = shell.api().override(edit.base.service, wish(label, for_s, author, reason))
    except ApiError as error:
        edit.notice = Notice("hand", False, f"Nothing is held. {error}")
        return
    st.session_state["hand-reason"] = ""
    until = format.stamp(made.until_s)
    edit.notice = Notice("hand", True, f"{made.service or 'The fleet'}: {said(made)} until {until} UTC.")


def wish(label: str, for_s: float, author: str, reason: str) -> OverrideWrite:
    """What the form asks for."""
    kind = next(kind for kind, text in KINDS.items() if text == label)
    replicas = None if kind == "freeze" else int(st.session_state["hand-replicas"])
    values = {"kind": kind, "replicas": replicas, "for_s": for_s, "author": author, "reason": reason}
    return OverrideWrite.model_validate(values)


def on_lift(edit: Edit, id: str) -> None:
    """End one early."""
    author, _ = policy_edit.signature("hand")
    if not author:
        edit.notice = Notice("hand", False, "Say who you are: it is recorded who lifted it.")
        return
    try:
        lifted = shell.api().lift(id, OverrideLift(author=author))
    except ApiError as error:
        edit.notice = Notice("hand", False, f"Nothing was lifted. {error}")
        return
    edit.notice = Notice("hand", True, f"{lifted.service or 'The fleet'}: {said(lifted)} is over.")
