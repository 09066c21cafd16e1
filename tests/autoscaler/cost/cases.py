"""Metered hours for the tests of cost: made by hand or drawn by hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from autoscaler.cost.meter import STATES
from autoscaler.cost.store import Hours
from runtime.pool import Pool, StepTime

Row = tuple[int, str, str, int, tuple[int, ...]]
HOUR = 3_600_000
POOL = Pool("h100", "chat", "vllm", "H100", 2, 3.0, StepTime(8.0, 0.1, 0.02, 12.0), 10_000)


def hours_of(*rows: Row, busy: float | None = 0.5) -> Hours:
    """Rows of (hour_s, service, pool, micro-USD, charged ms by state); ``busy`` is the load's share of the active."""
    charged = np.array([row[4] for row in rows], dtype=np.int64).reshape(len(rows), len(STATES))
    active = charged[:, 0]
    return Hours(
        np.array([row[0] for row in rows], dtype=np.int64),
        tuple(row[1] for row in rows),
        tuple(row[2] for row in rows),
        np.array([row[3] for row in rows], dtype=np.int64),
        charged,
        charged.sum(axis=1),
        np.zeros_like(active) if busy is None else (active * busy).astype(np.int64),
        np.zeros_like(active) if busy is None else active,
    )


def one(hour: int, service: str, active_h: float, standby_h: float = 0.0, pool: str = "h100", usd: float = 3.0) -> Row:
    """A row of GPU-hours in rotation and beside it."""
    states = (round(active_h * HOUR), round(standby_h * HOUR), 0, 0, 0, 0)
    return hour * 3600, service, pool, round(usd * 1e6), states


row = st.tuples(
    st.integers(0, 5).map(lambda hour: hour * 3600),
    st.sampled_from(["chat", "code", "mail"]),
    st.sampled_from(["h100", "l4", "spot"]),
    st.integers(0, 20_000_000),
    st.tuples(*[st.integers(0, 400 * HOUR)] * len(STATES)),
)
rows = st.lists(row, max_size=12, unique_by=lambda drawn: drawn[:4])
