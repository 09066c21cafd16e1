"""A small evaluation to draw."""

from __future__ import annotations

from functools import cache

import numpy as np

from forecasting.evaluation.report import Evaluation, Plan, evaluate
from forecasting.experts.last_value import LastValue
from forecasting.experts.smoothed import Smoothed
from forecasting.history import History
from tests.forecasting.series import diurnal, minutes


@cache
def evaluation(peak: bool = False, gap: bool = True) -> Evaluation:
    """Ten-minute cells of five days, two of them trained on, half a day of the last missing."""
    roots = np.sqrt(diurnal(minutes(50)[:720]))
    if gap:
        roots[600:672] = np.nan
    plan = Plan(horizons=(1, 6), train_days=2)
    return evaluate(History(600.0, 0, roots), (LastValue(), Smoothed()), peak, plan, lambda: 0.0)
