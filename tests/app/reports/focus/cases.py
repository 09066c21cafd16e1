"""A file with a row of every sort, and ways to break it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

from app.reports.books import Books, Charges
from app.reports.focus.export import focus_csv
from autoscaler.cost.account import Placement, Terms, account
from autoscaler.cost.book import PriceBook, Purchase, Sku
from autoscaler.cost.commitments import Commitment
from autoscaler.cost.meter import Used
from autoscaler.cost.store import CostStore
from collectors.history import History
from collectors.store import open_store
from tests.autoscaler.cost.cases import POOL, Row, hours_of, one

SKU = Sku("aws", "us-east-1", "p5.48xlarge")
END_S = 6 * 3600.0
PLACED = {
    "h100": Placement(SKU, Purchase.ON_DEMAND),
    "spot": Placement(SKU, Purchase.SPOT),
    "held": Placement(replace(SKU, region=""), Purchase.RESERVED),
}
YEAR = Commitment("year", SKU, 2, 2.0, 0.0, 2 * 3600.0)
TERMS = Terms(PriceBook(()), PLACED, (YEAR,), 1.5)
ROWS = (
    one(0, "chat", 3.0, 1.0),
    one(0, "code", 2.0),
    one(1, "chat", 1.0),
    *(one(1, "code", 1.0, pool=name) for name in ("spot", "held", "own")),
)
"""In hour 0 a commitment of 2 GPUs covers a third of 6 GPU-hours, in hour 1 one of its GPUs is left unused."""


def charges(terms: Terms, rows: Sequence[Row]) -> Charges:
    """What rows of metered hours cost; each service told its tokens."""
    used = {(row[0], row[1]): Used(row[0], row[1], 3_600_000, 3_600_000, 3_600_000, 4e6, 4e5, 1e6) for row in rows}
    return Charges(0.0, END_S, account(hours_of(*rows), terms, 0.0, END_S), tuple(used.values()))


def books_of(terms: Terms) -> Books:
    """Books of one service with one pool; what is exported is given apart."""
    engine = open_store("sqlite://")
    return Books(CostStore(engine), History(engine), {"chat": (POOL,)}, terms, racks={"rack": "L4"})


def exported() -> str:
    """The file."""
    return focus_csv(books_of(TERMS), charges(TERMS, ROWS))


def table(text: str) -> list[dict[str, str]]:
    """The rows of a file."""
    return list(csv.DictReader(io.StringIO(text)))


def written(rows: Sequence[dict[str, str]]) -> str:
    """Rows as a file; the first one names the columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
