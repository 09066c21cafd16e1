"""The Policies page's part for changes that a second person decides on: propose, approve, refuse, withdraw."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.api.proposals import ProposalView
from app.api.schemas.policies import PolicyVersion, PolicyWrite
from app.console import format, policy_edit, shell
from app.console.client import ApiError, ApiRefused
from app.console.policy_edit import WATCHES_S, Edit, Notice

NOT_FOUND = 404
WAITING = ("open", "outdated")
ICONS = {
    "open": ":material/hourglass_top:",
    "outdated": ":material/history_toggle_off:",
    "approved": ":material/check_circle:",
    "refused": ":material/block:",
    "withdrawn": ":material/undo:",
}


def section(edit: Edit) -> None:
    """What waits for somebody, and what became of the others; nothing where nothing was ever proposed."""
    notice = edit.notice if edit.notice and edit.notice.place == "proposal" else None
    if notice:
        (st.success if notice.good else st.error)(format.escape(notice.text))
    found = proposals(edit.base.service)
    if not found:
        return
    for each in found:
        if each.state in WAITING:
            waiting(edit, each)
    over = [each for each in found if each.state not in WAITING]
    if over:
        with st.expander(f"Decided proposals ({len(over)})", icon=":material/group:", key="proposals-over"):
            st.dataframe(pd.DataFrame([line(each) for each in over]), hide_index=True)


def proposals(service: str) -> list[ProposalView]:
    """The service's proposals; none from an API that keeps none."""
    try:
        return shell.api().read(f"/policies/{service}/proposals", list[ProposalView])
    except ApiRefused as refusal:
        if refusal.status == NOT_FOUND:
            return []
        raise


def line(each: ProposalView) -> dict[str, object]:
    """A decided proposal as a row."""
    return {
        "proposed, UTC": format.stamp(each.made_at_s),
        "by": each.author,
        "for": each.reason,
        "outcome": each.state,
        "decided by": each.decided_by,
        "why": each.decided_why,
    }


def waiting(edit: Edit, each: ProposalView) -> None:
    """One that nobody has decided on, with what it changes and the ways to decide."""
    with st.container(border=True, key=f"proposal-{each.id}"):
        outdated = each.state == "outdated"
        state = "outdated: another version came since" if outdated else "waits for a second person"
        st.markdown(
            f"{ICONS[each.state]} **Proposed by {format.escape(each.author)}** at {format.stamp(each.made_at_s)} UTC, "
            f"{state}: {format.escape(each.reason)}"
        )
        rows = [
            {
                "field": c.field,
                "now": str(c.old),
                "new": str(c.new),
                "second person": "yes" if c.field in each.needs else "",
            }
            for c in each.diff.changes
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, key=f"proposal-diff-{each.id}")
        with st.expander("As YAML", icon=":material/code:"):
            st.code(each.diff.yaml_diff, language="diff", wrap_lines=True)
        decide(edit, each, outdated)


def decide(edit: Edit, each: ProposalView, outdated: bool) -> None:
    """Signed, one of three ways."""
    name = f"decide-{each.id}"
    left, right = st.columns(2)
    left.text_input("Author", key=f"{name}-author", placeholder="your name", persist_state="session")
    right.text_input("Reason", key=f"{name}-reason", placeholder="why, in a few words")
    with st.container(horizontal=True):
        if not outdated:
            st.button(
                "Approve and apply",
                type="primary",
                key=f"approve-{each.id}",
                on_click=on_decide,
                args=(edit, each, "approve"),
                icon=":material/check:",
            )
        for verb, icon in (("refuse", ":material/block:"), ("withdraw", ":material/undo:")):
            st.button(
                verb.capitalize(), key=f"{verb}-{each.id}", on_click=on_decide, args=(edit, each, verb), icon=icon
            )


def on_propose(edit: Edit) -> None:
    """Propose the checked draft; it stays in the form until it is decided."""
    if (by := policy_edit.signed(edit, "apply")) is None:
        return
    author, reason = by
    watch_s = WATCHES_S[str(st.session_state.get("apply-watch") or "30 min")]
    write = PolicyWrite(
        policy=edit.checked or {}, base_version=edit.base.version, author=author, reason=reason, watch_s=watch_s
    )
    path = f"/policies/{edit.base.service}/proposals"
    try:
        made = shell.api().send("POST", path, ProposalView, write.model_dump(mode="json"))
    except ApiError as error:
        edit.notice = Notice("apply", False, f"Nothing was proposed. {error}")
        return
    st.session_state["apply-reason"] = ""
    newest = shell.api().policy(edit.base.service)
    told = f"Proposed. Somebody other than {made.author} has to approve it."
    policy_edit.begin(newest, edit.generation + 1, Notice("proposal", True, told))


def on_decide(edit: Edit, each: ProposalView, verb: str) -> None:
    """Approve, refuse or withdraw."""
    if (by := policy_edit.signed(edit, "proposal", f"decide-{each.id}")) is None:
        return
    author, reason = by
    path, body = f"/policies/{each.service}/proposals/{each.id}/{verb}", {"author": author, "reason": reason}
    try:
        if verb == "approve":
            made = shell.api().send("POST", path, PolicyVersion, body)
            told = Notice("proposal", True, f"Approved: version {made.version} is in force and on watch.")
            if policy_edit.draft(edit) == edit.base.policy:
                policy_edit.begin(made, edit.generation + 1, told)
            edit.notice = told
            return
        done = shell.api().send("POST", path, ProposalView, body)
    except ApiError as error:
        edit.notice = Notice("proposal", False, f"Nothing was decided. {error}")
        return
    edit.notice = Notice("proposal", True, f"The proposal of {done.author} was {done.state}.")
