"""What a store holds: rows and bytes of each table, and bytes of a row.

python -m benchmarks.store leadtime.db

It reads any SQLite store, that of a daemon which goes on too, and writes nothing. Bytes are those of whole pages,
indexes included (SQLite's dbstat).
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

BYTES = """
select coalesce(m.tbl_name, s.name), sum(s.pgsize) from dbstat s left join sqlite_master m on m.name = s.name
group by 1 order by 2 desc
"""


@dataclass(frozen=True, slots=True)
class Size:
    """One table, its indexes with it."""

    table: str
    rows: int
    bytes: int


def sizes(connection: sqlite3.Connection) -> Iterator[Size]:
    """Every table with rows, largest first."""
    for table, held in connection.execute(BYTES).fetchall():
        if table.startswith("sqlite_"):
            continue
        (rows,) = connection.execute(f'select count(*) from "{table}"').fetchone()
        if rows:
            yield Size(table, rows, held)


def opened(file: Path) -> sqlite3.Connection:
    """The store, for reading alone."""
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", type=Path, help="the SQLite file")
    file = parser.parse_args().file
    table = Table("table", "rows", "bytes", "bytes a row", title=str(file))
    with opened(file) as connection:
        for size in sizes(connection):
            table.add_row(size.table, f"{size.rows:,}", f"{size.bytes:,}", f"{size.bytes / size.rows:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
