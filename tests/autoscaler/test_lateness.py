"""The fluid rule at one moment: the same as the compiled one, and never kinder to fewer replicas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.backtest.fluid_kernel import Views, _in_time
from autoscaler.lateness import FULL, LATE, in_time, launch_mean_s, served
from runtime.pool import LeadTime
from runtime.replica import Tier
from tests.autoscaler.cases import POOL

NOTHING = np.zeros(1)
VIEWS = Views(NOTHING, NOTHING, NOTHING, np.zeros((1, 1)), NOTHING, np.array(LATE), np.array([0.0, 1.0]))
erlangs, rhos, backlogs = st.floats(0, 50), st.floats(0.05, 0.95), st.floats(0, 1000)


@given(erlangs, rhos)
def test_it_is_the_rule_of_the_compiled_model(asked: float, rho: float) -> None:
    assert in_time(asked, rho) == pytest.approx(_in_time(asked, rho, VIEWS), abs=1e-9)


@given(erlangs, st.integers(0, 40), backlogs, rhos)
def test_more_replicas_are_never_later_and_leave_no_more(load: float, replicas: int, left: float, rho: float) -> None:
    few, more = (served(load, n, left, rho, 15.0) for n in (replicas, replicas + 1))
    assert more.in_time >= few.in_time
    assert more.backlog_erlang_s <= few.backlog_erlang_s
    assert 0 <= few.used <= FULL


@given(erlangs, st.integers(0, 40), backlogs, rhos)
def test_work_is_done_or_left_over(load: float, replicas: int, left: float, rho: float) -> None:
    came = served(load, replicas, left, rho, 15.0)
    assert came.used * replicas * 15 + came.backlog_erlang_s == pytest.approx(left + load * 15)


def test_nobody_serves_nothing_in_time() -> None:
    assert served(1.0, 0, 0.0, 0.5, 15.0).in_time == 0
    assert served(0.0, 0, 0.0, 0.5, 15.0).in_time == 1


def test_the_mean_start_is_above_its_median() -> None:
    dedicated = replace(POOL, lead_times={Tier.COLD: LeadTime(60.0, 60.0)})
    skewed = replace(POOL, lead_times={Tier.COLD: LeadTime(100.0, 200.0)})
    assert launch_mean_s(dedicated) == 60.0
    assert 100 < launch_mean_s(skewed) < 200
