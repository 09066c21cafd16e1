"""The Policies page's part that replays a draft on the recorded past before anybody decides on it."""

from __future__ import annotations

import streamlit as st

from app.api.impact import ImpactView
from app.console import format, impact, shell
from app.console.client import ApiError
from app.console.policy_edit import Edit

LONG = "Replaying both policies on the recorded load"


def section(edit: Edit) -> None:
    """The question, and its answer for exactly this draft."""
    st.markdown("**Impact**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        span = st.segmented_control(
            "Replay on", list(impact.SPANS), default="Last 24 h", key="impact-span", required=True
        )
        asked = st.button("Preview impact", icon=":material/play_circle:", key="preview")
    if asked:
        ask(edit, str(span))
    if edit.preview is None:
        st.caption(
            "Both policies are replayed on what was recorded: what the draft would have cost, and whom it held up."
        )
    elif edit.previewed != edit.checked or edit.preview.base_version != edit.base.version:
        st.caption(":material/sync_problem: The draft has changed since it was replayed. Preview it again.")
    else:
        show(edit.preview)


def ask(edit: Edit, span: str) -> None:
    """Replay, with a bar that says how far it is."""
    bar = st.progress(0.0, LONG)
    path = f"/policies/{edit.base.service}/impact"
    try:
        edit.preview = shell.api().compute(
            path,
            ImpactView,
            impact.question(edit.checked or {}, span),
            lambda share: bar.progress(share, f"{LONG}: {share:.0%}"),
        )
    except ApiError as error:
        edit.preview = None
        st.error(format.escape(f"No preview. {error}"), icon=":material/error:")
    else:
        edit.previewed = edit.checked
    finally:
        bar.empty()


def show(found: ImpactView) -> None:
    """Headline, figures, chart, and what they rest on."""
    word, icon = impact.verdict(found)
    st.markdown(f"{icon} **{word}.** {format.escape(impact.headline(found))} {format.escape(impact.late_words(found))}")
    st.dataframe(impact.table(found), hide_index=True, key="impact-figures")
    shell.panel("Replicas wanted", "on the recorded load", lambda: impact.chart(found), impact.frame(found), "impact")
    with st.expander("What this rests on", icon=":material/foundation:", key="impact-rests"):
        if found.recorded_attainment is not None:
            st.markdown(f"- Measured in that time: {format.percent(found.recorded_attainment, 2)} attainment.")
        for line in found.rests_on:
            st.markdown(f"- {format.escape(line)}")
