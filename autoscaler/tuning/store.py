"""What was chosen last for each service, in the store, so that a restart goes on with it."""

from __future__ import annotations

import json
from dataclasses import asdict

import sqlalchemy as sa

from autoscaler.tuning.choice import Choice, Price
from autoscaler.tuning.knobs import Values
from collectors.store import prepare, put

METADATA = sa.MetaData()

TUNINGS = sa.Table(
    "tunings",
    METADATA,
    sa.Column("service", sa.String(120), primary_key=True),
    sa.Column("at_s", sa.Double, nullable=False),
    sa.Column("base", sa.JSON, nullable=False),
    sa.Column("choice", sa.Text, nullable=False),
)


class TuningStore:
    """The newest choice of every service, on SQLite or PostgreSQL."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        prepare(engine, METADATA)

    def keep(self, service: str, at_s: float, base: Values, choice: Choice) -> None:
        """Put the choice, made over the policy's own knobs ``base``, in the place of the one before."""
        row = {"service": service, "at_s": at_s, "base": base, "choice": json.dumps(asdict(choice))}
        put(self._engine, TUNINGS, row)

    def newest(self, service: str) -> tuple[float, Values, Choice] | None:
        """When it was made, over which knobs, and the choice; None where there is none."""
        query = sa.select(TUNINGS).where(TUNINGS.c.service == service)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        told = json.loads(row.choice)
        return float(row.at_s), dict(row.base), Choice(**(told | {"price": Price(**told["price"])}))
