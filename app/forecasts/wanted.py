"""The series that is forecast: one of the columns of a file, or the offered load that its minutes put on a pool.

Promise: one owner of how minutes of requests and tokens become offered load (DESIGN 4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.forecasts.kinds import Of
from forecasting.history import History
from forecasting.series import Series
from runtime.pool import StepTime

STEP_S = 60.0


def history_of(series: Series, of: Of, step: StepTime) -> History:
    """The series as forecasters see it."""
    values = offered_load(series, step) if of is Of.LOAD else getattr(series, of.value)
    return History(STEP_S, series.first, np.sqrt(values))


def offered_load(series: Series, step: StepTime) -> npt.NDArray[np.float64]:
    """Erlangs in every minute (n,), NaN in gaps: requests a second times the work of the minute's mean request."""
    rows = zip(series.requests.tolist(), series.input_tokens.tolist(), series.output_tokens.tolist(), strict=True)
    return np.array([_erlangs(*row, step) for row in rows])


def _erlangs(requests: float, input_tokens: float, output_tokens: float, step: StepTime) -> float:
    if requests == 0:
        return 0.0
    return requests / STEP_S * step.work_ms(input_tokens / requests, output_tokens / requests) / 1000
