"""One operator's edit of one policy: draft, check, apply, and what to do when somebody else was faster.

All mutations are here, as callbacks; the page only shows the state they leave behind. A draft survives a conflict:
the operator carries it over to the newer version and sees the difference, nothing is merged in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from app.api.impact import ImpactView
from app.api.schemas.policies import PolicyCheck, PolicyRollback, PolicyVersion, PolicyWrite
from app.console import policy_form, shell
from app.console.client import ApiError

WATCHES_S = {"30 min": 1800.0, "1 h": 3600.0, "2 h": 7200.0, "not watched": 0.0}
"""How long a policy may be on watch after it was applied."""

Place = Literal["apply", "rollback", "shadow", "hand", "proposal"]
"""Where on the page something was done."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the last action came to, shown where it was started."""

    place: Place
    good: bool
    text: str


@dataclass(slots=True)
class Edit:
    """A draft on top of ``base``. The widgets begin with ``start``; a new ``generation`` makes them begin anew."""

    base: PolicyVersion
    start: dict[str, Any]
    generation: int = 0
    check: PolicyCheck | None = None
    checked: dict[str, Any] | None = None
    notice: Notice | None = None
    preview: ImpactView | None = None
    previewed: dict[str, Any] | None = None


def current(service: str) -> Edit:
    """The session's edit of this service's policy; a fresh one where there is none or nothing was changed yet."""
    newest = shell.api().policy(service)
    edit = st.session_state.get("policy-edit")
    if not isinstance(edit, Edit):
        return begin(newest, 0)
    if edit.base.service != service:
        return begin(newest, edit.generation + 1)
    if edit.base.version != newest.version and draft(edit) == edit.base.policy:
        return begin(newest, edit.generation + 1)
    return edit


def begin(base: PolicyVersion, generation: int, notice: Notice | None = None) -> Edit:
    """Begin anew from ``base``."""
    edit = Edit(base, base.policy, generation, notice=notice)
    st.session_state["policy-edit"] = edit
    return edit


def widget_key(edit: Edit, path: str) -> str:
    """The key of a field's widget."""
    return f"policy/{edit.base.service}/{edit.generation}/{path}"


def draft(edit: Edit) -> dict[str, Any]:
    """The policy that the widgets say now."""
    keys = {field.path: widget_key(edit, field.path) for field in policy_form.FIELDS}
    values = {path: st.session_state[key] for path, key in keys.items() if key in st.session_state}
    return policy_form.to_policy(edit.start, values)


def on_validate(edit: Edit) -> None:
    """Check the draft."""
    edit.notice = None
    edit.checked = draft(edit)
    check(edit)


def check(edit: Edit) -> None:
    """Ask the API about ``edit.checked``."""
    try:
        edit.check = shell.api().check_policy(edit.base.service, edit.checked or {})
    except ApiError as error:
        edit.check, edit.notice = None, Notice("apply", False, str(error))


def on_discard(edit: Edit, newest: PolicyVersion) -> None:
    """Throw the draft away and take the policy in force."""
    begin(newest, edit.generation + 1)


def on_rebase(edit: Edit, newest: PolicyVersion) -> None:
    """Carry the fields that this draft changed over to the newer version, and compare again."""
    rebased = begin(newest, edit.generation + 1)
    rebased.start = policy_form.rebased(edit.base.policy, draft(edit), newest.policy)
    rebased.checked = rebased.start
    check(rebased)


def on_apply(edit: Edit) -> None:
    """Make the checked draft the next version."""
    if (by := signed(edit, "apply")) is None:
        return
    author, reason = by
    write = PolicyWrite(
        policy=edit.checked or {},
        base_version=edit.base.version,
        author=author,
        reason=reason,
        watch_s=WATCHES_S[str(st.session_state.get("apply-watch") or "30 min")],
    )
    try:
        applied = shell.api().apply_policy(edit.base.service, write)
    except ApiError as error:
        edit.notice = Notice("apply", False, f"Nothing was applied. {error}")
        return
    st.session_state["apply-reason"] = ""
    begin(applied, edit.generation + 1, Notice("apply", True, f"Version {applied.version} is in force."))


def on_roll_back(edit: Edit, to_version: int, newest: int) -> None:
    """Make an older version's content the next version."""
    if (by := signed(edit, "rollback")) is None:
        return
    author, reason = by
    rollback = PolicyRollback(to_version=to_version, base_version=newest, author=author, reason=reason)
    try:
        applied = shell.api().roll_back(edit.base.service, rollback)
    except ApiError as error:
        edit.notice = Notice("rollback", False, f"Nothing was rolled back. {error}")
        return
    st.session_state["rollback-reason"] = ""
    said = f"Version {applied.version} is in force, with the content of version {to_version}."
    begin(applied, edit.generation + 1, Notice("rollback", True, said))


def signature(form: str) -> tuple[str, str]:
    """Author and reason as typed into a form."""
    author = str(st.session_state.get(f"{form}-author") or "").strip()
    return author, str(st.session_state.get(f"{form}-reason") or "").strip()


def signed(edit: Edit, place: Place, form: str | None = None) -> tuple[str, str] | None:
    """Author and reason as typed into the form there, or into another; None, and a notice, where one is missing."""
    author, reason = signature(form or place)
    if problem := unsigned(author, reason):
        edit.notice = Notice(place, False, problem)
        return None
    return author, reason


def unsigned(author: str, reason: str) -> str | None:
    """What is missing before a change may be made."""
    if not author:
        return "Say who you are: the change is recorded under your name."
    return "Give a reason of at least three characters: it is what others will read." if len(reason) < 3 else None
