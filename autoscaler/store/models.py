"""What forecasters have learned, in the store: the newest panel of each service, so that a restart goes on with it.

One row per service, replaced by every fit; plain arrays with a digest (``forecasting.store``), never code. A row that
is damaged is told and passed over: the forecaster then learns anew.
"""

from __future__ import annotations

import sqlalchemy as sa

from collectors.store import prepare, put
from forecasting.panel import Panel
from forecasting.store import packed

METADATA = sa.MetaData()

MODELS = sa.Table(
    "models",
    METADATA,
    sa.Column("service", sa.String(120), primary_key=True),
    sa.Column("at_s", sa.Double, nullable=False),
    sa.Column("panel", sa.LargeBinary, nullable=False),
)


class ModelStore:
    """The models of all services, on SQLite or PostgreSQL."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        prepare(engine, METADATA)

    def keep(self, service: str, at_s: float, panel: Panel) -> None:
        """Put the panel in the place of the one before."""
        put(self._engine, MODELS, {"service": service, "at_s": at_s, "panel": packed(panel)})

    def newest(self, service: str) -> tuple[float, bytes] | None:
        """When it was kept, and the packed panel; None where there is none."""
        query = sa.select(MODELS.c.at_s, MODELS.c.panel).where(MODELS.c.service == service)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (float(row.at_s), bytes(row.panel))
