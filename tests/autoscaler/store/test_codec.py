"""Inputs survive JSON exactly, and the same inputs decide the same."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide import decide
from autoscaler.decision import ControlState, Decision
from autoscaler.policy import Policy
from autoscaler.safety.health import GpuRecord, Health, Sick
from autoscaler.safety.oscillation import Restlessness
from autoscaler.safety.overrides import Kind, Override
from autoscaler.safety.shortage import Ask
from autoscaler.store.codec import decode, encode, inputs, replay
from collectors.observation import Histogram, Observation
from forecasting.forecast import Forecast
from tests.autoscaler.cases import (
    AUTO,
    NOW_S,
    forecast,
    forecasts,
    observation,
    observations,
    policies,
    state,
    states,
)


@given(observations(), forecasts, states(), policies(), st.floats(0, 30))
def test_replay_is_bit_for_bit(
    seen: Observation, fc: Forecast | None, s: ControlState, policy: Policy, later_s: float
) -> None:
    decision = decide(seen, fc, s, policy, NOW_S + later_s)
    stored = json.loads(json.dumps(inputs(seen, fc, s, policy, NOW_S + later_s), allow_nan=False))
    again = replay(stored)
    assert again == decision
    assert json.dumps(encode(again)) == json.dumps(encode(decision))
    assert decode(Decision, json.loads(json.dumps(encode(decision)))) == decision


@given(st.floats())
def test_every_float_survives(value: float) -> None:
    back = decode(Histogram, json.loads(json.dumps(encode(Histogram((value,), (), 0.0)), allow_nan=False))).bounds[0]
    assert math.isnan(back) if math.isnan(value) else (back, math.copysign(1, back)) == (value, math.copysign(1, value))


def test_a_histogram_keeps_its_infinite_bound() -> None:
    seen = observation(ttft=Histogram((0.1, math.inf), (3.0, 4.0), 0.9))
    assert decode(Observation, encode(seen)) == seen


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ValueError, match="Histogram has no sum"):
        decode(Histogram, {"bounds": [], "counts": [], "sum": 1})


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        encode(object())


def test_what_safety_remembers_is_decided_on_again_bit_for_bit() -> None:
    record = GpuRecord("g7", 79, 1.0, False, NOW_S - 30, (NOW_S - 90.0,), NOW_S - 10)
    remembered = state(
        5,
        overrides=(Override("o1", "chat", Kind.AT_LEAST, 6, NOW_S - 60, NOW_S + 60, "ann", "launch"),),
        health=Health((record,), (Sick("chat-3", "g7", "XID 79 on g7", NOW_S - 30, urgent=False),)),
        ask=Ask(2, NOW_S - 20, 3),
        restlessness=Restlessness(((NOW_S - 50, 1), (NOW_S - 40, -1)), NOW_S + 100),
        replacing=1,
    )
    decided = decide(observation(), forecast(3.0), remembered, AUTO, NOW_S)
    stored = json.loads(json.dumps(inputs(observation(), forecast(3.0), remembered, AUTO, NOW_S)))
    assert replay(stored) == decided
    assert decode(Decision, json.loads(json.dumps(encode(decided)))) == decided
