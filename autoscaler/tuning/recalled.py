"""A past that nobody watched tick by tick, from the recorded load alone: what would have been foreseen, and when.

The forecaster is rolled over the last stretch as it would have run, so forecasts know no more than at the time. What
recorded minutes cannot tell (the noise within them, replicas, misses) is left out: settings replayed on it compare with
each other, not with what was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from autoscaler.capacity import replicas_for, rho_max
from autoscaler.decision import ControlState, TierCounts
from autoscaler.policy import Policy
from autoscaler.sizing import launch_lead_s
from autoscaler.tuning.past import Moment
from forecasting.experts.last_value import LastValue
from forecasting.experts.seasonal import Seasonal
from forecasting.experts.smoothed import Smoothed
from forecasting.forecaster import TAUS, Forecaster
from runtime.pool import Pool

Floats = npt.NDArray[np.float64]

SIMPLE = (LastValue(), Seasonal(), Smoothed())


def recalled(
    pool: Pool,
    policy: Policy,
    times: Floats,
    erlangs: Floats,
    lengths: tuple[float, float],
    over_s: float,
    tick_s: float,
) -> list[Moment]:
    """Ticks of ``tick_s`` over the last ``over_s`` of a load at UTC seconds, shapes (n,); NaN is a gap and left out.

    ``lengths`` are mean input and output tokens of a request. Only experts that learn nothing are asked, so it takes a
    second or two.
    """
    forecaster, begin = Forecaster(pool.service, experts=SIMPLE), int(np.searchsorted(times, times[-1] - over_s))
    if begin:
        forecaster.load(times[:begin], erlangs[:begin])
    lead_s = launch_lead_s(ControlState(pool.service, pool, TierCounts(), float(times[0]))) + tick_s
    rho, per_s = rho_max(pool, policy.slo, *lengths, policy.routing), 1000 / pool.step.work_ms(*lengths)
    found: list[Moment] = []
    for at in range(max(begin, 1), len(times)):
        if not np.isfinite(erlangs[at]):
            continue
        forecaster.update(float(times[at]), float(erlangs[at]))
        made = forecaster.forecast(float(times[at]))
        demand = None if made is None else tuple(made.quantile(lead_s, tau) for tau in TAUS)
        load, ticks = float(erlangs[at]), max(1, round(float(times[at] - times[at - 1]) / tick_s))
        sequences, carries = rho.sequences_per_erlang or 0.0, rho.among(replicas_for(load, rho)).value
        for tick in range(min(ticks, round(3600 / tick_s))):
            at_s = float(times[at]) - (ticks - 1 - tick) * tick_s
            found.append(Moment(at_s, tick_s, load, load * per_s * tick_s, carries, sequences, demand))
    return found
