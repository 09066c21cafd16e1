"""Plan: what if? Other GPUs and splits, bounds and promises; the front, with your policy and plain rules on it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.api.impact import ImpactView
from app.api.plan_api import PlanChoices, PlanView
from app.api.schemas.policies import PolicyVersion
from app.console import format, plan, policy_preview, shell
from app.console.client import ApiError

SPANS = {"24 h": "24h", "7 d": "7d"}
NO_MODEL = "the present pool only"
LONG = "Planning on the recorded load"

WHAT_IF = (
    ("replicas.min", "Minimum [replicas]", 1),
    ("replicas.max", "Maximum [replicas]", 1),
    ("standby.min", "Least standby [replicas]", 1),
    ("slo.ttft_s", "TTFT target [s]", 0.1),
    ("slo.tpot_s", "TPOT target [s]", 0.005),
    ("slo.attainment", "Attainment target [share]", 0.001),
)

POOL_COLUMNS = {
    "pool": st.column_config.TextColumn("Pool", pinned=True),
    "usd_per_million": st.column_config.NumberColumn("$ / 1M tok", format="$%.3f"),
    "usd_per_hour": st.column_config.NumberColumn("$ / hour", format="$%.2f"),
    "mean": st.column_config.NumberColumn("Mean replicas", format="%.1f"),
    "peak": st.column_config.NumberColumn("Peak", format="%d"),
    "TPOT at limit": st.column_config.NumberColumn("TPOT at limit", format="%.0f ms"),
    "TTFT at limit": st.column_config.NumberColumn("TTFT at limit", format="%.0f ms"),
    "± %": st.column_config.NumberColumn("± %", format="%.0f", help="Error of the step times that it rests on."),
}


def page(service: str) -> None:
    """The question, and its answer."""
    newest = shell.api().policy(service)
    body = question(service, newest)
    with st.container(horizontal=True):
        asked = st.button("Plan", type="primary", icon=":material/calculate:", key="plan")
        replayed = st.button(
            "Replay this policy",
            icon=":material/play_circle:",
            key="plan-replay",
            help="Plays it decision by decision, standby included, beside the policy in force.",
        )
    if asked:
        ask(service, body)
    if replayed:
        replay(service, body)
    kept: tuple[str, dict[str, Any], PlanView] | None = st.session_state.get("plan-answer")
    if kept is None or kept[0] != service:
        st.info(
            "Choose what to vary and press Plan: it replays the recorded load, which takes from seconds to a minute.",
            icon=":material/calculate:",
        )
        return
    if kept[1] != body:
        st.caption(":material/sync_problem: The question has changed since. Plan again.")
    show(kept[2])


def question(service: str, newest: PolicyVersion) -> dict[str, Any]:
    """The form; what it asks for."""
    choices = shell.api().read("/plan/choices", PlanChoices)
    with st.container(border=True):
        st.markdown(f"**What if** {format.escape(service)} had, instead of policy version {newest.version}:")
        values: dict[str, float | int] = {}
        with st.container(horizontal=True, key="what-if"):
            for name, title, step in WHAT_IF:
                section, _, field = name.partition(".")
                value = newest.policy[section][field]
                places = None if isinstance(step, int) else "%.3f"
                key = f"what-if/{service}/{newest.version}/{name}"
                values[name] = st.number_input(title, value=value, step=step, format=places, key=key, width=190)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            model = st.selectbox("Model, to look at other GPUs", [NO_MODEL, *choices.models], key="model", width=300)
            gpus = st.multiselect("Among GPU types", choices.gpus, key="among", placeholder="all", width=300)
            most = st.select_slider("GPUs of a replica, at most", [1, 2, 4, 8, 16], 8, key="most", width=220)
            span = st.segmented_control("On the last", list(SPANS), default="24 h", key="plan-span", required=True)
    return {
        "policy": plan.policy_of(newest.policy, values),
        "model": None if model == NO_MODEL else model,
        "gpus": gpus,
        "max_gpus": most,
        "span": SPANS[str(span)],
    }


def replay(service: str, body: dict[str, Any]) -> None:
    """The impact of the what-if policy, shown below the button until the next question."""
    bar = st.progress(0.0, policy_preview.LONG)
    asked = {"policy": body["policy"], "span": body["span"]}
    try:
        found = shell.api().compute(f"/policies/{service}/impact", ImpactView, asked, bar.progress)
    except ApiError as error:
        st.error(format.escape(f"Nothing was replayed. {error}"), icon=":material/error:")
    else:
        policy_preview.show(found)
    finally:
        bar.empty()


def ask(service: str, body: dict[str, Any]) -> None:
    """Compute, with a bar that says how far it is."""
    bar = st.progress(0.0, LONG)
    try:
        found = shell.api().compute(
            f"/services/{service}/plan", PlanView, body, lambda share: bar.progress(share, f"{LONG}: {share:.0%}")
        )
    except ApiError as error:
        st.error(format.escape(f"No plan. {error}"), icon=":material/error:")
    else:
        st.session_state["plan-answer"] = (service, body, found)
    finally:
        bar.empty()


def show(found: PlanView) -> None:
    """The front, then the pools."""
    data = plan.frame(found)
    shell.panel("Cost against attainment:", plan.finding(found), lambda: plan.chart(found), data, "front")
    st.caption(
        "Dashed: what the policy promises. Up and to the left is better; at the lower edge stands what is below it."
    )
    if found.pools:
        pools(found)
    with st.expander("What this rests on", icon=":material/foundation:", key="plan-rests"):
        for text in found.rests_on:
            st.markdown(f"- {format.escape(text)}")


def pools(found: PlanView) -> None:
    """Every way that carries it, and those that cannot."""
    st.markdown(f"**Pools by price** for {format.number(found.mean_requests_per_s, 2)} requests a second on average")
    table = plan.pools(found)
    st.dataframe(table, hide_index=True, column_config=POOL_COLUMNS, key="pools")
    st.download_button(
        "Download CSV",
        table.to_csv(index=False),
        "pools.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    if found.refused:
        with st.expander(f"Cannot be ({len(found.refused)})", icon=":material/block:", key="refused"):
            for one in found.refused:
                st.markdown(f"- **{format.escape(one.name)}**: {format.escape(one.reason)}")


with shell.api_errors():
    if service := shell.choose_service():
        page(service)
