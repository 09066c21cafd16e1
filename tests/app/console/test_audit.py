"""The Audit page: filters in the address, entries in a table that runs nothing, one entry whole, the chain verified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.api.schemas.audit import AuditDetail, AuditRow, AuditVerdict
from app.api.schemas.policies import FieldChange
from app.console import audit
from app.console.client import Api, ApiRefused

ROW: dict[str, Any] = {
    "seq": 7,
    "at_s": 1_800_000_000.0,
    "who": "<b>ada</b>",
    "by": "token 1",
    "address": "10.0.0.9",
    "action": "policy.write",
    "subject": "chat",
    "reason": "=HYPERLINK('http://evil')",
    "changes": [FieldChange(field=f"f{n}", old=-n if n else None, new=n) for n in range(5)],
    "hash": "a" * 64,
}


def test_what_changed_is_told_in_a_few_words() -> None:
    row = AuditRow(**ROW)
    assert audit.changed(row) == "f0: – → 0; f1: -1 → 1; f2: -2 → 2; 2 more"
    first = [change.model_copy(update={"old": None}) for change in row.changes]
    assert audit.changed(row.model_copy(update={"changes": first})) == "5 fields, all new"
    assert audit.table([row]).iloc[0]["what"] == "policy written"


def test_a_formula_is_a_text_in_table_and_download() -> None:
    assert audit.table([AuditRow(**ROW)]).iloc[0]["reason"].startswith("'=")
    assert ",'=HYPERLINK" in audit.download([AuditRow(**ROW)])


def test_a_touched_chain_is_said_so() -> None:
    assert "touched.**" in audit.verdict(AuditVerdict(entries=1, head="a", broken="entry 2 was removed"))
    assert audit.verdict(AuditVerdict(entries=1, head="a", broken=None)).startswith("1 entry, none touched")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What the page asks of an API with one entry."""
    found: list[dict[str, str]] = []

    def rows(api: Api, wanted: dict[str, str], limit: int) -> list[AuditRow]:
        found.append(wanted)
        return [AuditRow(**ROW)] if wanted.get("text") != "nothing" else []

    def entry(api: Api, seq: int) -> AuditDetail:
        if seq != 7:
            raise ApiRefused(404, f"no audit entry {seq}")
        return AuditDetail(**ROW, before=None, after={"f0": 0}, previous="b" * 64)

    monkeypatch.setattr(Api, "audit", rows)
    monkeypatch.setattr(Api, "audit_entry", entry)
    monkeypatch.setattr(Api, "audit_verdict", lambda api: AuditVerdict(entries=1, head="c" * 64, broken=None))
    return found


def test_filters_are_in_the_address_and_asked_of_the_api(
    asked: list[dict[str, str]], open_page: Callable[..., AppTest]
) -> None:
    at = open_page("audit", who="ada", action="policy.write")
    assert not at.exception and asked[-1] == {"who": "ada", "action": "policy.write"}
    assert len(at.dataframe[0].value) == 1


def test_an_entry_has_a_link_and_is_shown_whole(asked: list[dict[str, str]], open_page: Callable[..., AppTest]) -> None:
    at = open_page("audit", entry="7")
    said = " ".join(each.value for each in at.markdown)
    assert not at.exception and "Entry 7: policy written" in said and "<b>" not in said.replace("\\<b\\>", "")


@pytest.mark.parametrize("entry", ["8", "x", "-1"])
def test_an_entry_that_is_not_there_is_said_so(asked: Any, open_page: Callable[..., AppTest], entry: str) -> None:
    at = open_page("audit", entry=entry)
    assert not at.exception and bool(at.warning) is (entry == "8")


def test_nothing_found_is_said_so(asked: Any, open_page: Callable[..., AppTest]) -> None:
    assert "Take a filter away" in open_page("audit", text="nothing").info[0].value


def test_the_chain_is_verified_when_asked_for(asked: Any, open_page: Callable[..., AppTest]) -> None:
    at = open_page("audit")
    at.button(key="verify").click().run()
    assert "none touched" in at.success[0].value
