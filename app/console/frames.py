"""API answers as tables: what charts draw and what the downloads under them contain.

Pure functions from payloads to pandas frames. Times become timezone-aware UTC timestamps; a null stays a missing
value (NaN), so a gap in the data is a gap in the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from app.api.schemas.fleet import RackRow
from app.api.schemas.forecasts import ForecastView
from app.api.schemas.services import ReplicaView, Series, ServiceRow

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

FAN_TAUS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""The quantiles of the forward fan."""


HELD = ("replicas_", "gpus_", "capacity_", "ready_")
"""How the names of signals begin that change at once and then stay; all others go straight from point to point."""


def wide(series: Series, names: Sequence[str]) -> pd.DataFrame:
    """Columns ``time`` and one per signal in ``names``, joined on time; a signal without points is all NaN.

    Of a long time each signal comes thinned, at moments of its own. At the others' moments it has the value of the line
    between its points, so that lines are whole; from and to a gap there is no line.
    """
    columns = {name: series.signals.get(name, []) for name in names}
    times = np.array(sorted({at_s for points in columns.values() for at_s, _ in points}), dtype=float)
    frame = pd.DataFrame({"time": pd.to_datetime(pd.Series(times), unit="s", utc=True)})
    for name, points in columns.items():
        frame[name] = at_times(points, times, held=name.startswith(HELD))
    return frame


def at_times(points: Sequence[tuple[float, float | None]], times: Array, held: bool) -> Array:
    """A signal at these times, NaN where it is not known: before its first point, beside gaps and, unless its last
    value holds, after its last point."""
    if not points:
        return np.full(len(times), np.nan)
    at_s, values = np.array([(at, np.nan if value is None else value) for at, value in points], dtype=float).T
    if not held:
        line: Array = np.interp(times, at_s, values, left=np.nan, right=np.nan)
        return line
    place = np.searchsorted(at_s, times, side="right") - 1
    return np.where(place < 0, np.nan, values[np.maximum(place, 0)])


def fan(forecast: ForecastView | None, anchor_erlangs: float | None, reach_s: float = math.inf) -> pd.DataFrame:
    """The forecast ahead: ``time``, ``p50``, ``p95``, ``p99`` of the greatest load until then, erlangs.

    ``anchor_erlangs``, the load when the forecast was made, is where the fan opens; horizons beyond ``reach_s`` are
    left out.
    """
    if forecast is None:
        return pd.DataFrame({"time": pd.to_datetime([], utc=True), **{name: [] for name in FAN_TAUS}})
    rows = [
        {"at_s": forecast.made_at_s + horizon_s}
        | {name: float(np.interp(tau, forecast.taus, values)) for name, tau in FAN_TAUS.items()}
        for horizon_s, values in zip(forecast.horizons_s, forecast.erlangs, strict=True)
        if horizon_s <= reach_s
    ]
    if anchor_erlangs is not None:
        rows.insert(0, {"at_s": forecast.made_at_s} | dict.fromkeys(FAN_TAUS, anchor_erlangs))
    frame = pd.DataFrame(rows, columns=["at_s", *FAN_TAUS])
    frame.insert(0, "time", pd.to_datetime(frame.pop("at_s"), unit="s", utc=True))
    return frame


def last_known(frame: pd.DataFrame, column: str) -> float | None:
    """The newest value of a column that is known."""
    known = frame[column].dropna()
    return float(known.iloc[-1]) if len(known) else None


def has_points(frame: pd.DataFrame) -> bool:
    """Whether any value beside the time is known."""
    return bool(frame.drop(columns=["time"], errors="ignore").notna().any(axis=None))


def fleet_table(rows: Sequence[ServiceRow]) -> pd.DataFrame:
    """One line per service, as the fleet table shows it; shares in per cent."""
    return pd.DataFrame([fleet_line(row) for row in rows])


def fleet_line(row: ServiceRow) -> dict[str, object]:
    """One service of the fleet table."""
    replicas = row.replicas
    desired = replicas.active if replicas.desired_active is None else replicas.desired_active
    return {
        "service": f"service?service={row.service}",
        "attainment": times_100(row.attainment),
        "replicas": f"{replicas.active} → {desired}",
        "load": times_100(load_share(row)),
        "demand": [point for point in row.demand_sparkline if point is not None],
        "spare": replicas.standby + replicas.asleep,
        "risk": times_100(row.risk_of_shortfall),
        "kv": times_100(row.kv_usage_ratio),
        "waiting": row.waiting,
        "ttft": None if row.ttft_p90_s is None else 1000 * row.ttft_p90_s,
        "tpot": None if row.tpot_p90_s is None else 1000 * row.tpot_p90_s,
        "usd_per_million": row.usd_per_million_tokens,
        "usd_per_hour": row.usd_per_hour,
        "mode": row.mode,
        "data": "no data" if row.data_age_s is None else "stale" if row.stale else "fresh",
    }


def rack_table(rows: Sequence[RackRow]) -> pd.DataFrame:
    """One line per rack, in GPUs; what is not known yet is missing."""
    names = ("rack", "held", "used", "lent", "ordered", "wanted", "needed_together", "needed_apart")
    return pd.DataFrame(
        [
            {"services": ", ".join(row.services), **{name: getattr(row, name) for name in names}}
            | {"usd_per_hour": row.idle_usd_per_hour}
            for row in rows
        ],
        columns=["rack", "services", *names[1:], "usd_per_hour"],
    )


def times_100(share: float | None) -> float | None:
    """A share as per cent."""
    return None if share is None else 100 * share


def load_share(row: ServiceRow) -> float | None:
    """Offered load over the capacity in rotation; None where either is unknown or there is no capacity."""
    if row.offered_erlangs is None or not row.capacity_erlangs:
        return None
    return row.offered_erlangs / row.capacity_erlangs


def replica_table(replicas: Sequence[ReplicaView], now_s: float) -> pd.DataFrame:
    """One line per replica; ``for_s`` is how long it has been in its state."""
    return pd.DataFrame(
        [
            {
                "replica": replica.name,
                "state": replica.transition or replica.tier,
                "for_s": max(0.0, now_s - replica.since_s),
                "pool": replica.pool,
                "node": replica.node,
                "gpus": len(replica.gpus),
                "running": replica.running,
                "waiting": replica.waiting,
                "kv": times_100(replica.kv_usage_ratio),
            }
            for replica in replicas
        ]
    )
