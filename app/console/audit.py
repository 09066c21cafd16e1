"""The audit as tables and words: entries, what each changed, and whether the chain holds. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from app.api.schemas.audit import AuditDetail, AuditRow, AuditVerdict
from app.console import format
from app.reports.safecsv import csv_text, guarded

ACTIONS = {
    "policy.write": "policy written",
    "policy.propose": "policy proposed",
    "policy.approve": "proposal approved",
    "policy.refuse": "proposal refused",
    "policy.withdraw": "proposal withdrawn",
    "override.make": "held by hand",
    "override.lift": "let go",
    "shadow.start": "candidate started",
    "shadow.stop": "candidate stopped",
    "watch.end": "watch ended",
    "token.create": "token made",
    "token.revoke": "token revoked",
}
COLUMNS = ("entry", "time, UTC", "who", "what", "of", "reason", "changed", "known by", "address", "hash")
SHOWN_FIELDS = 3


def table(rows: Sequence[AuditRow]) -> pd.DataFrame:
    """One line an entry, newest first."""
    return pd.DataFrame([line(row) for row in rows], columns=list(COLUMNS))


def line(row: AuditRow) -> dict[str, Any]:
    """An entry as cells; texts that a spreadsheet would run are shown as texts, for tables can be copied from."""
    cells = (
        row.seq,
        format.stamp(row.at_s),
        row.who,
        ACTIONS.get(row.action, row.action),
        row.subject,
        row.reason,
        changed(row),
        row.by,
        row.address,
        row.hash,
    )
    texts = (guarded(cell) if isinstance(cell, str) else cell for cell in cells)
    return dict(zip(COLUMNS, texts, strict=True))


def changed(row: AuditRow) -> str:
    """The first fields that differ, in a few words; of what is new as a whole only how many."""
    if len(row.changes) > SHOWN_FIELDS and all(change.old is None for change in row.changes):
        return f"{len(row.changes)} fields, all new"
    told = [f"{change.field}: {value(change.old)} → {value(change.new)}" for change in row.changes[:SHOWN_FIELDS]]
    more = len(row.changes) - SHOWN_FIELDS
    return "; ".join(told) + (f"; {more} more" if more > 0 else "")


def value(found: Any) -> str:
    """A value in a cell."""
    return format.DASH if found is None else found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def download(rows: Sequence[AuditRow]) -> str:
    """The entries as CSV."""
    return csv_text(COLUMNS, [list(line(row).values()) for row in rows])


def fields(detail: AuditDetail) -> pd.DataFrame:
    """Every field that one entry changed."""
    rows = [(change.field, value(change.old), value(change.new)) for change in detail.changes]
    return pd.DataFrame(rows, columns=["field", "before", "after"])


def verdict(found: AuditVerdict) -> str:
    """Whether the chain holds, in one sentence of Markdown."""
    if found.broken is not None:
        return f"**The record was touched.** {format.escape(found.broken)}."
    noun = "entry" if found.entries == 1 else "entries"
    return f"{found.entries} {noun}, none touched. Head `{found.head}`."
