"""What was sent and what is to be sent again: one row per report, period and way, so that nothing is sent twice.

A delivery that failed is tried again after ``AGAIN_S``, each time twice as long, at most ``MOST_TRIES`` times. The rows
are in the store, so a restart and a new leader go on where the last one was.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from collectors.store import prepare, put

METADATA = sa.MetaData()

DELIVERIES = sa.Table(
    "report_deliveries",
    METADATA,
    sa.Column("report", sa.String(120), primary_key=True),
    sa.Column("start_s", sa.Double, primary_key=True),
    sa.Column("way", sa.String(20), primary_key=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_s", sa.Double),
    sa.Column("sent_at_s", sa.Double),
    sa.Column("trouble", sa.String(500)),
)

AGAIN_S = 60.0
MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far one is: ``next_s`` is when it is tried again, None once it was sent or given up."""

    report: str
    start_s: float
    way: str
    tries: int = 0
    next_s: float | None = None
    sent_at_s: float | None = None
    trouble: str | None = None

    def due(self, now_s: float) -> bool:
        """Whether to try now."""
        if self.sent_at_s is not None or self.tries >= MOST_TRIES:
            return False
        return self.next_s is None or now_s >= self.next_s

    def sent(self, now_s: float) -> Delivery:
        """After it went out."""
        return Delivery(self.report, self.start_s, self.way, self.tries + 1, None, now_s)

    def failed(self, now_s: float, trouble: str) -> Delivery:
        """After it did not."""
        tries = self.tries + 1
        again = now_s + AGAIN_S * 2.0**self.tries if tries < MOST_TRIES else None
        return Delivery(self.report, self.start_s, self.way, tries, again, None, trouble[:500])


class Deliveries:
    """Deliveries in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        prepare(engine, METADATA)

    def of(self, report: str, start_s: float, way: str) -> Delivery:
        """How far it is; a new one where nothing was tried."""
        t = DELIVERIES.c
        query = sa.select(DELIVERIES).where(t.report == report, t.start_s == start_s, t.way == way)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return Delivery(report, start_s, way) if row is None else Delivery(*row)

    def keep(self, delivery: Delivery) -> None:
        """Put it in the place of what was known."""
        put(self._engine, DELIVERIES, {name: getattr(delivery, name) for name in Delivery.__slots__})
