"""What is remembered of a tick, and what is not known leaves a hole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.controller import Considered
from autoscaler.decide import decide
from autoscaler.decision import ControlState, TierCounts
from autoscaler.tuning.past import Past, moment
from collectors.aggregate import LengthMemory
from collectors.observation import Observation
from forecasting.forecast import Forecast
from tests.autoscaler.cases import NOW_S, POOL, forecast, observation
from tests.autoscaler.tuning.pasts import POLICY, moments, past


def considered(seen: Observation, foreseen: Forecast | None) -> Considered:
    state = ControlState("chat", POOL, TierCounts(active=4, launching=1), NOW_S - 9999)
    decision = decide(seen, foreseen, state, POLICY, NOW_S)
    return Considered((), seen, LengthMemory(), foreseen, state, decision)


def test_a_tick_is_remembered_with_what_was_foreseen_then() -> None:
    seen = observation(ended_per_s=8.0, attained_per_s=7.0)
    known = moment(considered(seen, forecast(2.0)), POLICY)
    assert known is not None and known.demand is not None
    assert (known.requests, known.ended, known.late) == (120.0, 120.0, 15.0)
    assert (known.serving, known.billed) == (4, 5)
    assert list(known.demand) == sorted(known.demand)


def test_without_a_forecast_there_is_none_to_remember() -> None:
    known = moment(considered(observation(), None), POLICY)
    assert known is not None and known.demand is None
    assert np.isnan(Past.of([known, known]).demand).all()


def test_what_is_incomplete_is_a_hole_and_no_zero() -> None:
    assert moment(considered(replace(observation(), valid=False), None), POLICY) is None


def test_a_past_needs_two_moments() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Past.of(moments()[:1])


def test_what_replicas_were_asked_for_is_in_multiples_of_what_they_carry() -> None:
    whole = past(2.0)
    assert whole.hours == 2.0
    assert np.all((whole.asked > 0.5) & (whole.asked < 0.9))
