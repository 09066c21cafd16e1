"""Sizes of a store: every table that has rows, with the pages that it takes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.store import opened, sizes
from collectors.history import History
from collectors.store import open_store


def test_a_store_in_use_is_told(tmp_path: Path) -> None:
    history = History(open_store(f"sqlite:///{tmp_path}/leadtime.db"))
    history.append_many([("chat", 15.0 * n, {"load": float(n)}) for n in range(5)])
    with opened(tmp_path / "leadtime.db") as connection:
        told = {size.table: size for size in sizes(connection)}
    assert told["history_full"].rows == 5 and "history_minutes" not in told
    assert all(size.bytes % 4096 == 0 and size.bytes > 0 for size in told.values())
