"""Audit: who changed what, when and why, by filter, with download and a link to each; and whether it was touched."""

from __future__ import annotations

import streamlit as st

from app.api.schemas.audit import AuditRow
from app.console import audit, format, shell
from app.console.client import ApiRefused

PAGE = 200
ANY = "any"


def page() -> None:
    """Filter above, entries below, the chosen one whole."""
    with shell.api_errors():
        wanted = filters()
        rows = shell.api().audit(wanted, PAGE)
        entries(rows, bool(wanted))
        chain()


def filters() -> dict[str, str]:
    """What is looked for; every filter is in the address."""
    with st.container(horizontal=True):
        names = [ANY, *audit.ACTIONS]
        action = st.selectbox("What", names, key="action", bind="query-params", width=200)
        subject = st.text_input("Of", key="subject", bind="query-params", placeholder="service or token", width=180)
        who = st.text_input("Who", key="who", bind="query-params", placeholder="name", width=180)
        text = st.text_input("Text", key="text", bind="query-params", placeholder="anywhere in it", width=220)
    asked = {"action": "" if action == ANY else action, "subject": subject, "who": who, "text": text}
    return {name: value.strip() for name, value in asked.items() if value and value.strip()}


def entries(rows: list[AuditRow], filtered: bool) -> None:
    """The table, and the entry that is chosen in it or by the address."""
    if not rows:
        said = "No change fits. Take a filter away." if filtered else "Nothing has been changed yet."
        st.info(said, icon=":material/history:")
        return
    frame = audit.table(rows)
    chosen = st.dataframe(
        frame,
        hide_index=True,
        key="entries",
        on_select="rerun",
        selection_mode="single-row",
        placeholder=format.DASH,
        column_config={name: f"{name[0].upper()}{name[1:]}" for name in audit.COLUMNS},
    )
    picked = chosen["selection"]["rows"]
    if picked:
        st.query_params["entry"] = str(rows[picked[0]].seq)
    st.download_button(
        "Download CSV",
        audit.download(rows),
        "audit.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    if not st.query_params.get("entry"):
        st.caption("Tick an entry to see all of it, before and after.")
    if len(rows) == PAGE:
        st.caption(f"The newest {PAGE} that fit; narrow it down for older ones, or use `leadtime audit list`.")
    whole(st.query_params.get("entry", ""))


def whole(seq: str) -> None:
    """One entry with all that was before and after."""
    if not seq.isdecimal():
        return
    try:
        found = shell.api().audit_entry(int(seq))
    except ApiRefused as refusal:
        st.warning(format.escape(refusal.detail), icon=":material/search_off:")
        return
    what = audit.ACTIONS.get(found.action, found.action)
    st.markdown(f"## Entry {found.seq}: {format.escape(what)}, {format.escape(found.subject)}")
    known = f"known by {found.by}" + (f", from {found.address}" if found.address else "")
    st.markdown(
        f"{format.stamp(found.at_s)} UTC, by **{format.escape(found.who)}** ({format.escape(known)}): "
        f"{format.escape(found.reason)}"
    )
    st.dataframe(audit.fields(found), hide_index=True)
    with st.expander("Before and after, whole", icon=":material/data_object:"):
        left, right = st.columns(2)
        for column, name, value in ((left, "Before", found.before), (right, "After", found.after)):
            column.markdown(f"**{name}**")
            column.json(value if isinstance(value, dict | list) else {"value": value}, expanded=2)
    st.caption(f"Hash {found.hash}, after {found.previous}")


def chain() -> None:
    """Whether the record was touched, when asked for."""
    if st.button("Verify the chain", icon=":material/verified:", key="verify"):
        found = shell.api().audit_verdict()
        (st.success if found.broken is None else st.error)(audit.verdict(found))
        st.caption("Note the head elsewhere: `leadtime audit verify --head …` then shows that nothing was cut off.")


page()
