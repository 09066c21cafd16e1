"""Opening the database, and one clear line where that cannot be done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, insert, select, text

from collectors.history import History
from collectors.store import StoreUnavailable, open_store, prepare, put


def test_sqlite_runs_in_wal_mode(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'a.db'}").connect() as connection:
        pragmas = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
        assert pragmas == {"journal_mode": "wal", "synchronous": 1}
        assert connection.scalar(text("PRAGMA busy_timeout")) == 5000


def test_a_store_in_memory_is_one_for_all_threads() -> None:
    history = History(open_store("sqlite://"))
    history.append("chat", 1.0, {"load": 1.0})
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(history.last_at, "chat").result() == 1.0


@pytest.mark.parametrize("url", ["nonsense", "", "abacus://host/name"])
def test_what_is_no_url_says_what_would_be(url: str) -> None:
    with pytest.raises(ValueError, match="expected sqlite:///path or postgresql") as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"missing.a\.db"):
        open_store(f"sqlite:///{tmp_path}/missing/a.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database at all, but long enough to be one" * 50)
    with pytest.raises(StoreUnavailable, match=r"a\.db"):
        open_store(f"sqlite:///{path}")


def test_a_password_is_not_told() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql+psycopg://someone:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


def table(*later: Column[int] | Column[str]) -> Table:
    return Table("things", MetaData(), Column("id", Integer, primary_key=True), *later)


def with_one_row(engine: Engine) -> Engine:
    earlier = table()
    prepare(engine, earlier.metadata)
    with engine.begin() as connection:
        connection.execute(insert(earlier).values(id=1))
    return engine


def test_a_store_of_an_earlier_version_gets_the_columns_that_came_since(engine: Engine) -> None:
    later = table(Column("why", String(20)), Column("seen", Integer, nullable=False, server_default="0"))
    with_one_row(engine)
    for _ in range(2):
        prepare(engine, later.metadata)
    with engine.begin() as connection:
        assert list(connection.execute(select(later))) == [(1, None, 0)]


def test_a_column_that_cannot_be_added_is_named(engine: Engine) -> None:
    later = table(Column("why", String(20), nullable=False))
    with pytest.raises(StoreUnavailable, match=r"table things .* no column why"):
        prepare(with_one_row(engine), later.metadata)


def test_a_row_is_put_in_the_place_of_the_one_with_its_key(engine: Engine) -> None:
    things = table(Column("why", String(20)))
    prepare(engine, things.metadata)
    for row in ({"id": 1, "why": "first"}, {"id": 2, "why": "other"}, {"id": 1, "why": "later"}):
        put(engine, things, row)
    with engine.begin() as connection:
        assert sorted(connection.execute(select(things))) == [(1, "later"), (2, "other")]
