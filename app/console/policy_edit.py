"""One operator's edit of one policy: draft, check, apply, and what to do when somebody else was faster.

All mutations are here, as callbacks; the page only shows the state they leave behind. A draft survives a conflict:
it is rebased on the newer version by the operator, never merged in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from app.api import schemas
from app.console import policy_form, shell
from app.console.client import ApiError, ApiRefused

CONFLICT = 409


@dataclass(slots=True)
class Edit:
    """``generation`` names the widgets, so that a fresh start shows fresh values."""

    base: schemas.PolicyVersion
    generation: int = 0
    check: schemas.PolicyCheck | None = None
    checked: dict[str, Any] | None = None
    conflict: schemas.PolicyVersion | None = None
    notice: tuple[Literal["success", "error"], str] | None = None


def current(service: str) -> Edit:
    """The session's edit of this service's policy; a new one from the policy in force where there is none."""
    edit = st.session_state.get("policy-edit")
    if not isinstance(edit, Edit) or edit.base.service != service:
        edit = Edit(shell.api().policy(service), generation(edit) + 1)
        st.session_state["policy-edit"] = edit
    return edit


def generation(edit: object) -> int:
    """The generation of an edit that may not exist."""
    return edit.generation if isinstance(edit, Edit) else 0


def widget_key(edit: Edit, path: str) -> str:
    """The key of a field's widget."""
    return f"policy/{edit.base.service}/{edit.generation}/{path}"


def draft(edit: Edit) -> dict[str, Any]:
    """The policy that the widgets say now."""
    keys = {field.path: widget_key(edit, field.path) for field in policy_form.FIELDS}
    values = {path: st.session_state[key] for path, key in keys.items() if key in st.session_state}
    return policy_form.to_policy(edit.base.policy, values)


def restart(edit: Edit, base: schemas.PolicyVersion, notice: str | None = None) -> None:
    """Begin anew from ``base``."""
    said: tuple[Literal["success"], str] | None = None if notice is None else ("success", notice)
    st.session_state["policy-edit"] = Edit(base, edit.generation + 1, notice=said)


def on_validate(edit: Edit) -> None:
    """Check the draft."""
    edit.notice = None
    edit.checked = draft(edit)
    try:
        edit.check = shell.api().check_policy(edit.base.service, edit.checked)
    except ApiError as error:
        edit.check, edit.notice = None, ("error", str(error))


def on_discard(edit: Edit) -> None:
    """Throw the draft away and take the policy in force."""
    try:
        shell.api().forget()
        restart(edit, shell.api().policy(edit.base.service))
    except ApiError as error:
        edit.notice = ("error", str(error))


def on_rebase(edit: Edit) -> None:
    """After a conflict: put the draft on top of the newer version and compare again."""
    if edit.conflict is not None:
        edit.base, edit.conflict = edit.conflict, None
        on_validate(edit)


def on_apply(edit: Edit) -> None:
    """Make the checked draft the next version."""
    author, reason = signature("apply")
    if edit.checked is None:
        return
    if problem := unsigned(author, reason):
        edit.notice = ("error", problem)
        return
    write = schemas.PolicyWrite(policy=edit.checked, base_version=edit.base.version, author=author, reason=reason)
    try:
        applied = shell.api().apply_policy(edit.base.service, write)
    except ApiError as error:
        refused(edit, error)
        return
    forget_reason("apply")
    restart(edit, applied, f"Version {applied.version} is in force.")


def on_roll_back(edit: Edit, to_version: int, newest: int) -> None:
    """Make an older version's content the next version."""
    author, reason = signature("rollback")
    if problem := unsigned(author, reason):
        edit.notice = ("error", problem)
        return
    rollback = schemas.PolicyRollback(to_version=to_version, base_version=newest, author=author, reason=reason)
    try:
        applied = shell.api().roll_back(edit.base.service, rollback)
    except ApiError as error:
        refused(edit, error)
        return
    forget_reason("rollback")
    restart(edit, applied, f"Version {applied.version} is in force, with the content of version {to_version}.")


def refused(edit: Edit, error: ApiError) -> None:
    """Remember a refusal; on a conflict also the version that came in between."""
    edit.notice = ("error", str(error))
    if isinstance(error, ApiRefused) and error.status == CONFLICT:
        try:
            edit.conflict, edit.notice = shell.api().policy(edit.base.service), None
        except ApiError as second:
            edit.notice = ("error", str(second))


def signature(form: str) -> tuple[str, str]:
    """Author and reason as typed into a form."""
    author = str(st.session_state.get(f"{form}-author") or "").strip()
    return author, str(st.session_state.get(f"{form}-reason") or "").strip()


def unsigned(author: str, reason: str) -> str | None:
    """What is missing before a change may be made."""
    if not author:
        return "Say who you are: the change is recorded under your name."
    return "Give a reason of at least three characters: it is what others will read." if len(reason) < 3 else None


def forget_reason(form: str) -> None:
    """A reason belongs to one change."""
    st.session_state[f"{form}-reason"] = ""
