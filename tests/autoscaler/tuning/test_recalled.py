"""A recorded load becomes ticks that a setting can be replayed on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from autoscaler.tuning.past import Moment, Past
from autoscaler.tuning.recalled import recalled
from autoscaler.tuning.screen import Screen
from tests.autoscaler.cases import POOL
from tests.autoscaler.tuning.pasts import POLICY
from tests.forecasting.series import diurnal, minutes


def ticks(gap: bool = False) -> list[Moment]:
    times = minutes(0.5)
    load = diurnal(times)
    if gap:
        load[-60:-30] = np.nan
    return recalled(POOL, POLICY, times, load, (1500.0, 300.0), 6 * 3600.0, 15.0)


def test_minutes_become_ticks_with_what_was_foreseen() -> None:
    found = ticks()
    assert len(found) == 4 * (6 * 60 + 1)
    assert {b.at_s - a.at_s for a, b in pairwise(found)} == {15.0}
    assert found[-1].demand is not None and found[-1].demand[-1] >= found[-1].erlangs * 0.5


def test_a_gap_is_left_out() -> None:
    assert len(ticks()) - len(ticks(gap=True)) == 4 * 30


def test_nobody_was_counted_and_no_replica_seen() -> None:
    past = Past.of(ticks())
    assert not past.ended.any() and not past.serving.any()
    assert Screen(past, POLICY, POOL).replayed(POLICY).replica_s > 0
