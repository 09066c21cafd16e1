"""Policies: edit → validate → diff → reason → try in shadow or apply → watch → history → rollback."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.api.schemas.policies import PolicyDiff, PolicyVersion
from app.console import (
    format,
    policy_edit,
    policy_form,
    policy_hands,
    policy_preview,
    policy_proposals,
    policy_trials,
    shell,
)
from app.console.policy_edit import Edit
from app.console.policy_form import FormField, FormSection

REASON = 90
"""Most letters of a reason above the form; all of them stand in the history."""

EXAMPLES = {
    "events": """- name: launch
  starts_at: 2026-12-01T14:00:00+01:00
  duration_s: 7200
  factor: 3""",
    "schedule": """- days: [mon, tue, wed, thu, fri]
  start: '08:00'
  end: '18:00'
  min: 4
  time_zone: Europe/Berlin""",
}


def page(service: str) -> None:
    """Form on the left, review on the right, history below."""
    edit = policy_edit.current(service)
    newest, schema = shell.api().policy(service), shell.api().policy_schema()
    st.session_state[policy_trials.SHOWN] = newest.version
    st.markdown(
        f"**Version {newest.version}** in force since {format.stamp(newest.at_s)} UTC, "
        f"by {format.escape(newest.author)}: {format.escape(textwrap.shorten(newest.reason, REASON, placeholder=' …'))}"
    )
    policy_trials.watch()
    policy_proposals.section(edit)
    if newest.version != edit.base.version:
        conflict(edit, newest)
    left, right = st.columns([3, 2], gap="large")
    with left:
        form(edit, schema)
    with right, st.container(key="review"):
        review(edit, newest)
    policy_hands.section(edit)
    policy_trials.section(edit)
    history(edit)


def notice(edit: Edit, place: str) -> None:
    """What the last action came to."""
    if edit.notice and edit.notice.place == place:
        if edit.notice.good:
            st.success(format.escape(edit.notice.text), icon=":material/check_circle:")
        else:
            st.error(format.escape(edit.notice.text), icon=":material/error:")


def conflict(edit: Edit, newest: PolicyVersion) -> None:
    """Somebody was faster: who, when, why, and the two ways on."""
    st.error(
        f"**Conflict.** Your draft is made from version {edit.base.version}; meanwhile "
        f"{format.escape(newest.author)} applied version {newest.version} at "
        f"{format.time_of_day(newest.at_s)} UTC ({format.escape(newest.reason)}). Your draft is kept: carry your "
        f"changes over to version {newest.version}, look at the difference and apply; or start over.",
        icon=":material/merge:",
    )
    with st.container(horizontal=True):
        st.button(
            f"Carry my changes over to version {newest.version}",
            on_click=policy_edit.on_rebase,
            args=(edit, newest),
            icon=":material/difference:",
        )
        st.button("Start over", on_click=policy_edit.on_discard, args=(edit, newest), icon=":material/restart_alt:")


def form(edit: Edit, schema: dict[str, Any]) -> None:
    """The fields by section, two sections side by side."""
    st.markdown("## Edit")
    for first in range(0, len(policy_form.SECTIONS), 2):
        for column, section in zip(st.columns(2), policy_form.SECTIONS[first : first + 2], strict=False):
            with frame(column, section):
                for field in section.fields:
                    widget(field, edit, policy_form.help_text(schema, field.path))


def frame(column: DeltaGenerator, section: FormSection) -> DeltaGenerator:
    """Where a section's fields stand: open, or folded where they are seldom changed."""
    if section.seldom:
        return column.expander(f"**{section.title}**", icon=":material/tune:")
    box = column.container(border=True, height="stretch")
    box.markdown(f"**{section.title}**")
    return box


def widget(field: FormField, edit: Edit, help_text: str | None) -> None:
    """The widget of one field, starting from the base version's value."""
    key = policy_edit.widget_key(edit, field.path)
    value = policy_form.to_widget(field, policy_form.value_at(edit.start, field.path))
    match field.kind:
        case "choice":
            st.selectbox(field.title, field.options, field.options.index(value), key=key, help=help_text)
        case "integer":
            st.number_input(field.title, value=value, step=1, key=key, help=help_text)
        case "yaml":
            st.text_area(field.title, value=value, key=key, help=help_text, placeholder=EXAMPLES.get(field.path))
        case "optional_moment":
            st.datetime_input(field.title, value=value, key=key, help=help_text)
        case _:
            places = f"%.{field.digits}f"
            st.number_input(field.title, value=value, step=float(field.step), format=places, key=key, help=help_text)


def review(edit: Edit, newest: PolicyVersion) -> None:
    """The result of the check, the diff, and the way to apply it."""
    st.markdown("## Review")
    with st.container(horizontal=True):
        st.button(
            "Validate",
            type="primary",
            on_click=policy_edit.on_validate,
            args=(edit,),
            icon=":material/fact_check:",
        )
        st.button("Discard draft", on_click=policy_edit.on_discard, args=(edit, newest), icon=":material/undo:")
    notice(edit, "apply")
    if edit.check is None:
        st.info("Change fields, then validate: the differences appear here.", icon=":material/difference:")
        return
    if edit.checked != policy_edit.draft(edit):
        st.warning("The draft has changed since it was validated. Validate again.", icon=":material/sync_problem:")
        return
    if not edit.check.valid:
        for line in edit.check.errors:
            st.error(format.escape(line), icon=":material/error:")
        return
    if edit.check.diff is None or not edit.check.diff.changes:
        st.info("Valid, and equal to the policy in force: nothing to apply.", icon=":material/check_circle:")
        return
    for line in edit.check.warnings:
        st.warning(format.escape(line), icon=":material/warning:")
    st.success("Valid. This is what changes:", icon=":material/check_circle:")
    diff(edit.check.diff)
    policy_preview.section(edit)
    if edit.check.commit is not None:
        st.info("Policies of this fleet are committed, not edited here. Commit this:", icon=":material/commit:")
        st.code(edit.check.commit, language="yaml")
        return
    enact(edit, edit.check.second_person)


def enact(edit: Edit, second_person: Sequence[str]) -> None:
    """Who, why and how long watched; then apply, propose where ``second_person`` names fields, or try in shadow."""
    if second_person:
        st.warning(
            f"**A second person decides.** {format.escape(', '.join(second_person))}: this fleet asks "
            "somebody else to approve such a change. It is proposed, not applied.",
            icon=":material/group:",
        )
    sign("apply")
    if (edit.checked or {}).get("mode") == "auto":
        st.selectbox(
            "Watch",
            list(policy_edit.WATCHES_S),
            key="apply-watch",
            help="The version before comes back by itself where requests are late much more often than before.",
        )
    with st.container(horizontal=True):
        if second_person:
            st.button(
                "Propose",
                type="primary",
                on_click=policy_proposals.on_propose,
                args=(edit,),
                icon=":material/outgoing_mail:",
                key="propose",
            )
        else:
            st.button(
                f"Apply as version {edit.base.version + 1}",
                type="primary",
                on_click=policy_edit.on_apply,
                args=(edit,),
                icon=":material/publish:",
                key="apply",
            )
        st.button(
            "Try in shadow",
            on_click=policy_trials.on_try,
            args=(edit,),
            icon=":material/compare_arrows:",
            key="try",
            help="It decides beside the policy in force and changes nothing.",
        )


def diff(changes: PolicyDiff) -> None:
    """By field, and as YAML."""
    table = pd.DataFrame([{"field": c.field, "now": shown(c.old), "new": shown(c.new)} for c in changes.changes])
    st.dataframe(table, hide_index=True)
    with st.expander("As YAML", icon=":material/code:", expanded=True):
        st.code(changes.yaml_diff, language="diff", wrap_lines=True)


def shown(value: object) -> str:
    """A policy value in a diff."""
    return format.DASH if value is None else str(value)


def sign(name: str) -> None:
    """Author and reason."""
    st.text_input("Author", key=f"{name}-author", placeholder="your name", persist_state="session")
    st.text_input("Reason", key=f"{name}-reason", placeholder="what for, in a few words")


def history(edit: Edit) -> None:
    """All versions, and the way back to one of them."""
    st.markdown("## History")
    versions = sorted(shell.api().policy_history(edit.base.service), key=lambda v: v.version, reverse=True)
    table = pd.DataFrame(
        [{"version": v.version, "at": format.moment(v.at_s), "author": v.author, "reason": v.reason} for v in versions]
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "version": st.column_config.NumberColumn("Version", width="small", alignment="left"),
            "at": st.column_config.DatetimeColumn("Applied, UTC", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"),
            "author": st.column_config.TextColumn("Author"),
            "reason": st.column_config.TextColumn("Reason", width="large"),
        },
    )
    older = [version.version for version in versions[1:]]
    if older:
        roll_back(edit, older, versions[0].version)


def roll_back(edit: Edit, older: list[int], newest: int) -> None:
    """Choose an older version, see what going back would change, do it."""
    with st.expander("Roll back", icon=":material/history:", key="rollback-panel"):
        notice(edit, "rollback")
        chosen = st.selectbox("To version", older, key=f"rollback-to/{edit.base.service}/{newest}", width=200)
        change = shell.api().policy_diff(edit.base.service, newest, chosen)
        if not change.changes:
            st.info(f"Version {chosen} has the content of version {newest}.", icon=":material/check_circle:")
            return
        diff(change)
        sign("rollback")
        st.button(
            f"Roll back to version {chosen}",
            on_click=policy_edit.on_roll_back,
            args=(edit, chosen, newest),
            icon=":material/settings_backup_restore:",
            key="rollback",
        )


with shell.api_errors():
    if service := shell.choose_service():
        page(service)
