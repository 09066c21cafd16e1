"""Knative's KPA: every golden case, and what the rule does with a fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from autoscaler.peers.knative import Knative
from autoscaler.peers.knative_kpa import KpaSpec, KpaState, scale, start
from autoscaler.peers.knative_windows import Buckets, MaxWindow, WeightedBuckets, rounded, smoothing
from autoscaler.peers.knative_zero import Active, Probe, Reach, Revision, ZeroSpec, settle
from tests.autoscaler.peers.fleets import TERMS, replica, signals
from tests.autoscaler.peers.golden_llm import Case, params
from tests.autoscaler.peers.tally import tally

CANNOT_PASS: dict[str, str] = {}
COUNTS = {"knative-kpa": 37, "knative-windows": 42, "knative-zero": 43}

Input = Mapping[str, Any]


@pytest.mark.parametrize("case", params("knative-kpa", CANNOT_PASS))
def test_kpa(case: Case) -> None:
    given, expected = case["input"], case["expected"]
    spec, state = KpaSpec(**given["spec"]), start(given["ready_at_create"], 0.0)
    created = {"panicking_at_create": state.panicking, "max_panic_pods_at_create": state.max_panic_pods}
    assert {key: created[key] for key in expected if key != "steps"} == {
        key: want for key, want in expected.items() if key != "steps"
    }
    if "preset" in given:
        state = KpaState(given["preset"]["panic_since_s"], given["preset"]["max_panic_pods"])
    for step, want in zip(given["steps"], expected["steps"], strict=True):
        spec = replace(spec, **step.get("spec", {}))
        loads = {name: step[name] for name in ("ready", "stable", "panic")}
        answer, state = scale(spec, state, now_s=step["t_s"], **loads)
        check_step(answer, state, want)


def check_step(answer: Any, state: KpaState, want: Input) -> None:
    assert (answer is not None) is want["valid"]
    got = {
        "valid": answer is not None,
        "desired": answer and answer.desired,
        "panicking": state.panicking,
        "panic_since_s": state.panic_since_s,
    }
    assert {key: got[key] for key in want if key != "ebc"} == {
        key: value for key, value in want.items() if key != "ebc"
    }
    if "ebc" in want:
        assert abs(answer.excess_burst_capacity - want["ebc"]) <= 1


def run_op(window: Any, op: Input) -> Any:
    """One operation on a window; None where it gives nothing."""
    at_s = op.get("t_s", 0.0)
    operations: dict[str, Callable[[], Any]] = {
        "record": lambda: window.record(at_s, op["value"]),
        "average": lambda: rounded(window.average(at_s), op.get("digits", 12)),
        "sum": lambda: sum(value for _, value in window.inside(at_s)),
        "nonzero": lambda: [[start_s, value] for start_s, value in window.inside(at_s) if value],
        "empty": lambda: window.empty(at_s),
        "resize": lambda: window.resize(at_s, op["window_s"]),
        "count": lambda: window.count,
        "coefficient": lambda: window.coefficient,
        "first_write": lambda: window.first_write_s,
    }
    return operations[op["op"]]()


def replay_ops(given: Input) -> list[Any]:
    kind = WeightedBuckets if given["kind"] == "weighted" else Buckets
    window = kind(given["window_s"], given["bucket_s"])
    return [run_op(window, op) for op in given["ops"]]


def replay_max(given: Input) -> list[int]:
    window, seen = MaxWindow.over(given["window_s"], given["bucket_s"]), []
    for record in given["records"]:
        window = window.record(record["t_s"], record["value"])
        seen.append(window.current)
    return seen


def replay_window(given: Input) -> Input:
    if given["kind"] == "coefficient":
        return {"value": smoothing(given["buckets"])}
    if given["kind"] == "round":
        return {"value": rounded(given["value"], given["digits"])}
    if given["kind"] == "max":
        seen = replay_max(given)
        return {"after_each": seen, "final": seen[-1]}
    return {"results": replay_ops(given)}


@pytest.mark.parametrize("case", params("knative-windows", CANNOT_PASS))
def test_windows(case: Case) -> None:
    got, expected = replay_window(case["input"]), dict(case["expected"])
    tolerance = expected.pop("tolerance", 1e-9)
    for key, want in expected.items():
        wants, gots = (want, got[key]) if isinstance(want, list) else ([want], [got[key]])
        assert len(gots) == len(wants)
        for one, other in zip(gots, wants, strict=True):
            same = isinstance(other, bool | list) or other is None
            assert one == other if same else one == pytest.approx(other, rel=0, abs=tolerance)


@pytest.mark.parametrize("case", params("knative-zero", CANNOT_PASS))
def test_zero(case: Case) -> None:
    given = case["input"]
    override = given["retention_override_s"]
    spec = ZeroSpec(
        retention_s=given["retention_config_s"] if override is None else override,
        **{name: given[name] for name in ("min_scale", "max_scale", "initial_scale", "stable_window_s", "grace_s")},
        **{name: given[name] for name in ("progress_deadline_s", "target_burst_capacity", "enable_zero")},
    )
    # A probe that must not be made would answer with an error.
    probe = "error" if given["probe"] == "must-not-be-called" else given["probe"]
    revision = Revision(
        Active(given["state"]),
        given["state_age_s"],
        given["start"],
        Reach(given["reachability"]),
        probe=Probe(probe),
        **{name: given[name] for name in ("initial_reached", "proxy_mode", "proxy_for_s")},
    )
    outcome = settle(spec, revision, given["wanted"])
    assert {key: getattr(outcome, key) for key in case["expected"]} == case["expected"]


@pytest.mark.parametrize(("table", "count"), COUNTS.items(), ids=COUNTS)
def test_no_case_is_dropped(table: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, table, count, CANNOT_PASS)


@examples(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=40), st.integers(1, 12))
def test_the_sliding_maximum_is_that_of_the_last_buckets(steps: list[tuple[int, int]], buckets: int) -> None:
    records = sorted(steps)
    window = MaxWindow(buckets, 1.0)
    for position, (at_s, value) in enumerate(records):
        window = window.record(at_s, value)
        assert window.current == max(v for t, v in records[: position + 1] if t > at_s - buckets)


@examples(st.lists(st.floats(0, 1e3), min_size=1, max_size=200), st.integers(1, 60))
def test_an_unbroken_average_is_the_mean_of_the_last_buckets(values: list[float], buckets: int) -> None:
    window = Buckets(float(buckets))
    for second, value in enumerate(values):
        window.record(second, value)
    last = values[-buckets:]
    assert window.average(len(values) - 1) == pytest.approx(sum(last) / len(last), abs=1e-6)


def busy(count: int, requests: int) -> list[Any]:
    return [replica(running=requests)] * count


def run(rule: Knative, loads: list[int], desired: int = 4) -> list[int]:
    """Total load per tick, shared by replicas that are ready at once; the replicas wanted after each tick."""
    seen = []
    for tick, load in enumerate(loads):
        share = load // desired if desired else 0
        queued = load - share * desired
        desired = rule.desired(signals(rule.interval_s * tick, desired, busy(desired, share), queued=queued))
        seen.append(desired)
    return seen


def test_steady_load_is_served_by_load_over_target() -> None:
    assert set(run(Knative(TERMS, target=16), [64] * 100)) == {4}


def test_a_doubled_load_panics_within_the_six_second_window() -> None:
    seen = run(Knative(TERMS, target=16), [64] * 60 + [192] * 4)
    assert seen[59] == 4
    assert seen[62] == 12


def test_panic_never_shrinks_and_ends_a_stable_window_later() -> None:
    seen = run(Knative(TERMS, target=16), [64] * 40 + [320] * 5 + [64] * 70)
    # The last tick over the threshold is the 40th, when 10 were wanted and 4 were ready.
    assert seen[40:43] == [10, 15, 20]
    assert set(seen[42:71]) == {20}
    assert seen[71] == 10
    assert seen[-1] == 4


def test_after_a_restart_a_fleet_is_kept_for_a_stable_window() -> None:
    seen = run(Knative(TERMS, target=16), [16] * 60, desired=8)
    assert set(seen[:31]) == {8}
    assert seen[31:34] == [4, 2, 1]


def test_one_tick_at_most_halves() -> None:
    rule = Knative(TERMS, target=16)
    assert [rule.desired(signals(at, 1, busy(1, 16))) for at in (0.0, 2.0)] == [1, 1]
    assert rule.desired(signals(70.0, 12, busy(12, 0))) == 6


def test_what_the_activator_buffers_counts() -> None:
    assert Knative(TERMS, target=16).desired(signals(0.0, 1, busy(1, 16), queued=160)) == 11


def test_never_beyond_the_bounds() -> None:
    assert max(run(Knative(TERMS, target=1), [900] * 20)) == TERMS.max_replicas
    assert min(run(Knative(replace(TERMS, min_replicas=2)), [0] * 200)) == 2


def test_to_zero_and_back_where_zero_is_allowed() -> None:
    seen = run(Knative(replace(TERMS, min_replicas=0), target=16), [16] * 5 + [0] * 80 + [16], desired=1)
    # The last request is seen at the 4th tick; 60 s later the window is empty of it.
    assert seen.index(0) == 34
    assert seen[-2:] == [0, 1]
