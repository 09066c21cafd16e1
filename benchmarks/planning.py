"""Days ahead: our hourly peaks of the coming days against those of the day before, on recorded series.

python -m benchmarks.planning TRACES_FOLDER [--days 3]

Rolling origin at every midnight from the sixth day on. The reference repeats the last day's hours, with quantiles of
its own past errors as a band. Loss is the pinball loss of P50, P90, P95 and P99, relative to the reference's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.forecasts.kinds import Of
from app.forecasts.wanted import history_of
from benchmarks.contenders import large, small
from forecasting.calibration import pinball
from forecasting.history import Array, History
from forecasting.planning import DAY, hourly, outlook
from forecasting.series import read

TAUS = (0.5, 0.9, 0.95, 0.99)
FIRST_DAY = 5


def as_the_day_before(roots: Array, hours: int) -> Array:
    """Quantiles (hours, taus) of the reference, in the series' unit."""
    errors = np.nanquantile(roots[DAY:] - roots[:-DAY], TAUS)
    middle = np.tile(roots[-DAY:], -(-hours // DAY))[:hours]
    return np.asarray(np.maximum(middle[:, None] + errors, 0.0) ** 2)


def compare(history: History, days: int) -> tuple[float, Array]:
    """Loss relative to the reference, and coverage (taus,)."""
    _, roots = hourly(history)
    ours, reference, kept = [], [], []
    for origin in range(FIRST_DAY * DAY, len(roots) - DAY + 1, DAY):
        ahead = outlook(history.until(history.first + origin * 60 - 1), TAUS, days)
        if ahead is None:
            raise AssertionError("five days of history must suffice")
        truth = (roots[origin : origin + days * DAY] ** 2)[:, None]
        told = ahead.values[: len(truth)]
        ours.append(pinball(truth - told, np.array(TAUS)))
        reference.append(pinball(truth - as_the_day_before(roots[:origin], len(truth)), np.array(TAUS)))
        kept.append(np.where(np.isfinite(truth), truth <= told, np.nan))
    loss = np.nansum(np.concatenate(ours)) / np.nansum(np.concatenate(reference))
    return float(loss), np.nanmean(np.concatenate(kept), axis=0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--days", type=int, default=3)
    given = parser.parse_args()
    table = Table(title=f"Hourly peaks, up to {given.days} days ahead")
    for column in ("series", "loss / as the day before", *(f"kept P{tau * 100:.0f} %" for tau in TAUS)):
        table.add_column(column, justify="left" if column == "series" else "right")
    for name, pool in (("m-small", small()), ("m-large", large())):
        series = read(given.traces / f"servegen-{name}-minutes.parquet")
        loss, kept = compare(history_of(series, Of.LOAD, pool.step), given.days)
        table.add_row(name, f"{loss:.3f}", *(f"{100 * share:.1f}" for share in kept))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
