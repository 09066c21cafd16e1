"""The Policies page's part for what is being tried: the policy on watch, and the candidate in shadow.

What they came to so far refreshes by itself; the actions stand outside of that, so that nobody types into a part of the
page that is about to be drawn anew.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.api.schemas.trials import DifferenceView, ShadowPromotion, ShadowStart, ShadowView, Signed, WatchView
from app.console import format, policy_edit, shell
from app.console.client import ApiError
from app.console.policy_edit import Edit, Notice

SHOWN = "policy-shown"
"""Which version the rest of the page shows."""


@shell.live(shell.CHART_REFRESH_S)
def watch() -> None:
    """How the policy applied last fares; nothing where none was on watch, or where it is over and went well, or where
    somebody has changed the policy since it was taken back.

    Where another version came, as by the watch itself, the whole page runs again; a draft is kept.
    """
    service = st.session_state.get("service")
    if not service:
        return
    newest, found = shell.api().policy(service).version, shell.api().watch(service)
    if newest != st.session_state.get(SHOWN):
        st.rerun()
    if found is not None and found.outcome == "watching":
        st.info(format.escape(watching(found)), icon=":material/visibility:")
    elif found is not None and found.outcome not in ("passed", "ended") and newest <= found.version + 1:
        said = f"**Taken back.** {format.escape(found.said[:1].upper() + found.said[1:])}"
        st.error(said, icon=":material/settings_backup_restore:")


def watching(found: WatchView) -> str:
    """A running watch in a sentence or two."""
    burning = max(found.burns, key=lambda burn: burn.long / burn.limit)
    text = (
        f"Version {found.version} is on watch, {format.duration(found.left_s)} to go: "
        f"{format.percent(found.late_after)} of requests late, {format.percent(found.late_before)} before. The error "
        f"budget burns {format.number(max(0.0, burning.long))} times as fast as it may beyond what burnt before; at "
        f"{burning.limit:g} times version {found.base_version} comes back by itself."
    )
    if found.missing_s > 0:
        text += f" The watch is {format.duration(found.missing_s)} longer, as nothing was measured for so long."
    return text


def section(edit: Edit) -> None:
    """The candidate, if there is one, and what can be done with it."""
    found = shell.api().shadow(edit.base.service)
    st.markdown("## Shadow")
    notice = edit.notice if edit.notice and edit.notice.place == "shadow" else None
    if notice:
        (st.success if notice.good else st.error)(format.escape(notice.text))
    if found is None:
        st.info(
            "No candidate yet. Validate a draft and try it in shadow: it decides beside the policy in force, moves "
            "nothing, and is compared in dollars and attainment.",
            icon=":material/compare_arrows:",
        )
        return
    comparison()
    if found.ended_at_s is None:
        actions(edit)


@shell.live(shell.CHART_REFRESH_S)
def comparison() -> None:
    """What the candidate would have done, live."""
    service = st.session_state.get("service")
    found = shell.api().shadow(service) if service else None
    if found is None:
        return
    begun = f"Candidate {found.number} by {format.escape(found.author)} since {format.stamp(found.started_at_s)} UTC"
    st.markdown(f"**{begun}**, {format.escape(found.outcome or 'running')}: {format.escape(found.reason)}")
    st.markdown(format.escape(found.sentence))
    st.dataframe(figures(found), hide_index=True)
    if found.unknown_s:
        st.caption(f"For {format.duration(found.unknown_s)} the load was not known: not in the attainment.")
    if found.missed_s:
        st.caption(f"For {format.duration(found.missed_s)} nobody decided: not in any figure.")
    if found.differences:
        st.markdown("**Largest differences**")
        st.dataframe(pd.DataFrame([difference(each) for each in found.differences]), hide_index=True)


def figures(found: ShadowView) -> pd.DataFrame:
    """Both policies over the time both ran; attainment is estimated by the same rule for both."""
    rows = {"In force": found.live, "Candidate": found.candidate}
    return pd.DataFrame(
        [
            {
                "Policy": name,
                "GPU-hours": format.number(one.gpu_hours),
                "Cost": format.usd(one.cost_usd),
                "Attainment, estimated": format.percent(one.attainment_estimate, 2),
                "Attainment, measured": format.percent(one.attainment_measured, 2),
            }
            for name, one in rows.items()
        ]
    )


def difference(each: DifferenceView) -> dict[str, object]:
    """A stretch of disagreement as a row."""
    return {
        "At, UTC": format.stamp(each.at_s),
        "In force": each.live_active,
        "Candidate": each.candidate_active,
        "Why, in force": each.live_sentence,
        "Why, candidate": each.candidate_sentence,
    }


def actions(edit: Edit) -> None:
    """Stop or promote, signed."""
    with st.expander("Promote or stop", icon=":material/publish:", key="shadow-panel"):
        st.text_input("Author", key="shadow-author", placeholder="your name", persist_state="session")
        st.text_input("Reason", key="shadow-reason", placeholder="what for, in a few words")
        with st.container(horizontal=True):
            st.button(
                f"Promote to version {edit.base.version + 1}",
                type="primary",
                on_click=on_promote,
                args=(edit,),
                icon=":material/publish:",
                key="promote",
            )
            st.button("Stop", on_click=on_stop, args=(edit,), icon=":material/stop_circle:", key="stop")


def on_try(edit: Edit) -> None:
    """Let the checked draft decide in shadow."""
    if (by := policy_edit.signed(edit, "apply")) is None:
        return
    author, reason = by
    start = ShadowStart(policy=edit.checked or {}, author=author, reason=reason)
    try:
        made = shell.api().start_shadow(edit.base.service, start)
    except ApiError as error:
        edit.notice = Notice("apply", False, f"Nothing was started. {error}")
        return
    edit.notice = Notice("shadow", True, f"Candidate {made.number} decides in shadow; nothing is applied.")


def on_stop(edit: Edit) -> None:
    """End the candidate."""
    if (by := policy_edit.signed(edit, "shadow")) is None:
        return
    author, reason = by
    try:
        made = shell.api().stop_shadow(edit.base.service, Signed(author=author, reason=reason))
    except ApiError as error:
        edit.notice = Notice("shadow", False, str(error))
        return
    edit.notice = Notice("shadow", True, f"Candidate {made.number} is over.")


def on_promote(edit: Edit) -> None:
    """Make the candidate the next version."""
    if (by := policy_edit.signed(edit, "shadow")) is None:
        return
    author, reason = by
    change = ShadowPromotion(base_version=edit.base.version, author=author, reason=reason)
    try:
        applied = shell.api().promote_shadow(edit.base.service, change)
    except ApiError as error:
        edit.notice = Notice("shadow", False, f"Nothing was promoted. {error}")
        return
    said = f"Version {applied.version} is in force and on watch."
    policy_edit.begin(applied, edit.generation + 1, Notice("shadow", True, said))
