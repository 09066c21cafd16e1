"""KEDA: every golden case, what upstream's tables leave out, and what the two rules do with a fleet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from autoscaler.peers.keda import Keda, KedaSlo, slo_replicas
from autoscaler.peers.keda_formula import FormulaError, Trigger, compile_formula, composite, trigger_value
from autoscaler.peers.keda_state import (
    Fallback,
    MetricUnavailable,
    ScaledObject,
    Stand,
    execute,
    prometheus_value,
    read,
)
from autoscaler.peers.rule import FleetSignals
from tests.autoscaler.peers.fleets import TERMS, replica, signals
from tests.autoscaler.peers.golden_llm import Case, params
from tests.autoscaler.peers.tally import tally

CANNOT_PASS: dict[str, str] = {}

Input = Mapping[str, Any]


def fallback_of(given: Input) -> Fallback | None:
    row = given["fallback"]
    if row is None:
        return None
    return Fallback(row["failure_threshold"], row["replicas"], Stand(row["behavior"] or "static"))


def replay_fallback(given: Input) -> Input:
    fallback = fallback_of(given)
    names = {"target": given["target"], "current": given["current"]}
    reading = read(given["value"], given["failures"], fallback, **names)
    other = given["other_failures"]
    return {
        "value": reading.value,
        "error": reading.value is None,
        "failures": reading.failures,
        "health": "Happy" if reading.failures == 0 else "Failing",
        "condition": reading.fell_back or (fallback is not None and fallback.holds_for(other or 0)),
    }


def triggers_of(given: Input) -> dict[str, Trigger]:
    return {name: Trigger(row["value_milli"], row["failures"]) for name, row in given["triggers"].items()}


def replay_formula(given: Input) -> Input:
    formula = None
    if given["formula"] is not None:
        symbol, left, right = given["formula"]
        formula = compile_formula(f"{left} {symbol} {right}")
    target_milli = 1000 * (given["target"] or 0)
    try:
        return {"value_milli": composite(formula, triggers_of(given), fallback_of(given), target_milli)}
    except FormulaError:
        return {"error": True}


def replay_trigger_value(given: Input) -> Input:
    row = given["trigger"]
    return {"value_milli": trigger_value(Trigger(row["value_milli"], row["failures"]), fallback_of(given))}


def replay_executor(given: Input) -> Input:
    names = ("min", "idle", "cooldown_s", "initial_cooldown_s", "fallback_replicas")
    flags = ("pause_in", "pause_out", "paused", "force")
    spec = ScaledObject(**{name: given[name] for name in names + flags})
    after = execute(
        spec,
        given["current"],
        active=given["active"],
        error=given["error"],
        last_active_age_s=given["last_active_age_s"],
        created_age_s=given["created_age_s"],
    )
    return {
        "replicas": after.replicas,
        "active_condition": after.active,
        "stamps_last_active": after.stamps_last_active,
        "ready": after.ready,
        "ready_reason": after.ready_reason,
        "paused": spec.paused,
    }


def replay_rest_target(given: Input) -> Input:
    spec = ScaledObject(min=given["min"], idle=given["idle"])
    return {"is_idle": spec.idle is not None, "replicas": spec.rest}


REPLAYS = {
    "fallback": replay_fallback,
    "formula": replay_formula,
    "trigger-value": replay_trigger_value,
    "executor": replay_executor,
    "rest-target": replay_rest_target,
}


@pytest.mark.parametrize("case", params("keda", CANNOT_PASS))
def test_golden(case: Case) -> None:
    got = REPLAYS[case["input"]["kind"]](case["input"])
    assert {key: got[key] for key in case["expected"]} == case["expected"]


def test_no_case_is_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, "keda", 45, CANNOT_PASS)


SPEC = ScaledObject(min=0, cooldown_s=300, initial_cooldown_s=100)


@pytest.mark.parametrize(
    ("last_active_age_s", "created_age_s", "want"),
    [(299, 9999, 4), (300, 9999, 4), (301, 9999, 0), (301, 1, 0), (None, 99, 4), (None, 101, 0)],
)
def test_it_rests_only_after_the_cooldown(last_active_age_s: float | None, created_age_s: float, want: int) -> None:
    ages = {"last_active_age_s": last_active_age_s, "created_age_s": created_age_s}
    assert execute(SPEC, 4, active=False, **ages).replicas == want


def test_a_failing_trigger_holds_unless_its_fallback_is_zero_replicas() -> None:
    ages = {"last_active_age_s": 999.0, "created_age_s": 999.0}
    assert execute(replace(SPEC, fallback_replicas=3), 4, active=False, error=True, **ages).replicas == 4
    assert execute(replace(SPEC, fallback_replicas=0), 4, active=False, error=True, **ages).replicas == 0


@pytest.mark.parametrize(("current", "want"), [(4, 40), (20, 100)])
def test_a_fallback_to_the_lower_of_both(current: int, want: float) -> None:
    reading = read(None, 3, Fallback(3, 10, Stand.IF_LOWER), target=10, current=current)
    assert reading.value == want and reading.fell_back


def test_a_fallback_of_type_value_is_divided_by_the_ready_replicas() -> None:
    assert read(None, 3, Fallback(3, 10), target=10, current=5, ready=4).value == 25


@pytest.mark.parametrize("elements", [[], [math.nan], [math.inf]])
def test_an_empty_answer_is_zero_unless_that_is_switched_off(elements: list[float]) -> None:
    assert prometheus_value(elements) == 0
    with pytest.raises(MetricUnavailable, match="no finite value"):
        prometheus_value(elements, ignore_null=False)


def test_two_elements_are_one_too_many() -> None:
    with pytest.raises(MetricUnavailable, match="2 elements"):
        prometheus_value([1.0, 2.0])


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a > 2 ? a + b : 1", 8),
        ("a + b * 2 ** 2", 23),
        ("2 ** 3 ** 2", 512),
        ("-b + 10 % 4", -3),
        ("missing ?? b", 5),
        ("a + missing ?? 1", 4),
        ("max(a, b, 7) - min(a, b)", 4),
        ("not (a == 3) or b >= 6 ? 1 : 2", 2),
        ("a != nil && b < 1e1 ? ceil(.5) : floor(0.5)", 1),
        ("round(a / 2)", 2),
        ("a < b ? b < 4 ? 1 : 2 : 3", 2),
    ],
)
def test_formulas(text: str, want: float) -> None:
    assert compile_formula(text)({"a": 3.0, "b": 5.0, "missing": None}) == want


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a +", "a value was expected"),
        ("(a", "'\\)' was expected"),
        ("a b", "'the end' was expected"),
        ("a $ b", "cannot read"),
        ("a > 1", "truth value; a number"),
        ("a + gone", "nil; a number"),
        ("a ? 1 : 2", "no truth value"),
        ("c", "no trigger is named 'c'"),
    ],
)
def test_a_bad_formula_is_told_in_one_line(text: str, line: str) -> None:
    with pytest.raises(FormulaError, match=line):
        composite(compile_formula(text), {"a": Trigger(1), "gone": Trigger(1, 9)}, Fallback(3, 1, Stand.MODIFIERS), 1)


@examples(st.integers(-50, 50), st.integers(-50, 50), st.integers(-50, 50), st.sampled_from("+-*"))
def test_arithmetic_is_that_of_python(a: int, b: int, c: int, symbol: str) -> None:
    text = f"a {symbol} b * (c - {abs(a)})"
    assert compile_formula(text)({"a": a, "b": b, "c": c}) == eval(text, {"a": a, "b": b, "c": c})


def running(count: int, requests: int, *, starting: int = 0) -> list[Any]:
    return [replica(running=requests)] * count + [replica(ready=False)] * starting


def test_keda_adds_one_replica_a_minute() -> None:
    rule, desired, seen = Keda(TERMS), 4, []
    for tick in range(12):
        desired = rule.desired(signals(15.0 * tick, desired, running(4, 30)))
        seen.append(desired)
    assert seen == [5] * 4 + [6] * 4 + [7] * 4


def test_keda_shrinks_by_one_a_minute_after_five_minutes() -> None:
    rule, desired, seen = Keda(TERMS), 8, []
    for tick in range(30):
        load = 5 if tick == 0 else 0
        desired = rule.desired(signals(15.0 * tick, desired, running(8, load)))
        seen.append(desired)
    assert seen[:20] == [8] * 20
    assert seen[20:] == [7] * 4 + [6] * 4 + [5] * 2


def test_keda_goes_down_when_nothing_is_scraped_unless_hardened() -> None:
    blind = running(0, 0, starting=8)
    assert Keda(TERMS, ignore_null=False).desired(signals(0, 8, blind)) == 8
    rule = Keda(TERMS)
    assert rule.desired(signals(0, 8, blind)) == 8
    assert rule.desired(signals(300, 8, blind)) == 7


def test_the_token_triggers_count_only_where_they_are_set() -> None:
    busy = signals(0, 4, running(4, 5), arrivals_per_s=10.0)
    assert Keda(TERMS).desired(busy) == 4
    assert Keda(TERMS, tokens_per_s=100).desired(busy) == 5


def test_keda_sleeps_and_wakes_where_zero_is_allowed() -> None:
    rule = Keda(replace(TERMS, min_replicas=0), cooldown_s=120)
    assert rule.desired(signals(0, 1, running(1, 1))) == 1
    assert rule.desired(signals(120, 1, running(1, 0))) == 1
    assert rule.desired(signals(135, 1, running(1, 0))) == 0
    assert rule.desired(signals(150, 0, [])) == 0
    assert rule.desired(signals(165, 0, [], queued=1)) == 1


def slow(at_s: float, desired: int, ready: int, ratio: float | None) -> FleetSignals:
    fleet = signals(at_s, desired, running(ready, 10, starting=desired - ready))
    return replace(fleet, ttft_p90_s=None if ratio is None else ratio * TERMS.ttft_target_s, tpot_p90_s=0.001)


@pytest.mark.parametrize(
    ("ready", "ratio", "want"),
    [
        (8, 0.5, 8),
        (8, 0.55, 8),
        (8, 1.1, 16),
        (8, 0.56, 9),
        (4, 1.1, 8),
        (6, 1.1, 12),
        (8, 0.4, 8),
        (8, 0.2, 4),
        (8, 0.0, 0),
    ],
)
def test_the_slo_law(ready: int, ratio: float, want: int) -> None:
    assert slo_replicas(8, ready, ratio) == want


def test_a_breach_grows_after_thirty_seconds_and_one_sample_is_capped() -> None:
    rule = KedaSlo(TERMS)
    assert rule.desired(slow(0, 4, 4, 0.5)) == 4
    # 50 times the target counts as 2.0: (0.5 + 2.0) / 2 = 1.25 asks for 10, the window still says 4.
    assert rule.desired(slow(15, 4, 4, 50.0)) == 4
    assert rule.desired(slow(30, 4, 4, 50.0)) == 8


def test_inside_the_band_nothing_moves() -> None:
    rule = KedaSlo(TERMS)
    assert {rule.desired(slow(15.0 * tick, 5, 5, 0.5)) for tick in range(40)} == {5}


def test_idle_drains_one_replica_per_two_minutes_down_to_the_minimum() -> None:
    rule, desired, seen = KedaSlo(replace(TERMS, min_replicas=3)), 5, []
    for tick in range(50):
        desired = rule.desired(slow(15.0 * tick, desired, desired, None))
        seen.append(desired)
    assert seen == [5] * 12 + [4] * 8 + [3] * 30


def test_the_band_keeps_its_shape_when_the_knob_moves() -> None:
    assert KedaSlo(TERMS, high=0.95).desired(slow(0, 5, 5, 0.7)) == 5
    rule = KedaSlo(TERMS, high=0.95)
    assert [rule.desired(slow(t, 5, 5, 0.5)) for t in (0.0, 180.0)] == [5, 4]


@examples(
    st.lists(st.tuples(st.floats(0, 90) | st.none(), st.integers(0, 20)), max_size=40), st.sampled_from([Keda, KedaSlo])
)
def test_never_beyond_the_bounds(ticks: list[tuple[float | None, int]], kind: type[Keda] | type[KedaSlo]) -> None:
    rule, desired = kind(TERMS), 3
    for tick, (ratio, ready) in enumerate(ticks):
        desired = rule.desired(slow(15.0 * tick, desired, min(ready, desired), ratio))
        assert TERMS.min_replicas <= desired <= TERMS.max_replicas
