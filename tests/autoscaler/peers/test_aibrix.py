"""AIBrix: every golden case, and what the rule does with a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from autoscaler.peers.aibrix import (
    AibrixApa,
    AibrixApaRunning,
    AibrixKpa,
    Limits,
    Panic,
    Stabiliser,
    Window,
    apa,
    apa_multi,
    kpa,
    recent,
    variance,
    wakes,
)
from tests.autoscaler.peers.fleets import TERMS, replica, signals
from tests.autoscaler.peers.golden_llm import Case, check, params
from tests.autoscaler.peers.tally import tally

CANNOT_PASS: dict[str, str] = {}

Input = Mapping[str, Any]


def limits(given: Input) -> Limits:
    return Limits(given["rate_up"], given["rate_down"], given["tol_up"], given["tol_down"])


def replay_apa(given: Input) -> Input:
    return {"replicas": apa(given["current"], given["value_per_pod"], given["target"], limits(given))}


def replay_multi(given: Input) -> Input:
    value = sum(given["pod_values"]) / len(given["pod_values"])
    return {"replicas": apa_multi(given["current"], value, given["targets"], given["min"], given["max"], limits(given))}


def replay_kpa(given: Input) -> Input:
    def ask(max_pods: int) -> int:
        mode = Panic(given["panic_threshold"], given["in_panic"], max_pods)
        values = (given["current"], given["stable"], given["panic"], given["target"])
        return kpa(*values, limits=limits(given), activation=given["activation"], mode=mode)

    return {"replicas": ask(given["max_panic_pods"]), "as_coded_replicas": ask(0)}


def replay_window(given: Input) -> Input:
    stable, panic = (Window(given[key], given["granularity_s"]) for key in ("stable_window_s", "panic_window_s"))
    for at_s, pods in given["samples"]:
        mean = sum(pods) / len(pods)
        stable, panic = stable.add(at_s, mean), panic.add(at_s, mean)
    values = stable.values
    return {
        "stable": stable.latest_mean,
        "panic": panic.latest_mean,
        "buckets": list(values),
        "min": min(values),
        "max": max(values),
    }


def replay_history(given: Input) -> Input:
    samples = tuple((float(at_s), float(value)) for at_s, value in given["samples"])
    values = recent(samples, samples[-1][0], given["age_s"])
    return {
        "values": list(values),
        "count": len(values),
        "min": min(values),
        "max": max(values),
        "variance": variance(values),
        "std": variance(values) ** 0.5,
    }


def replay_stabilise(given: Input) -> Input:
    stabiliser = Stabiliser(given["up_window_s"], given["down_window_s"])
    results = []
    for at_s, current, wanted in given["steps"]:
        result, stabiliser = stabiliser.step(at_s, current, wanted)
        results.append(result)
    return {"results": results}


def replay_zero(given: Input) -> Input:
    scales = wakes(given["current"], given["min"], given["schedule_sets_min"])
    return {"scales": scales, "replicas": max(given["current"], given["min"]) if scales else given["current"]}


REPLAYS = {
    "apa": replay_apa,
    "apa_multi": replay_multi,
    "kpa": replay_kpa,
    "window": replay_window,
    "history": replay_history,
    "stabilise": replay_stabilise,
    "zero_gate": replay_zero,
}


@pytest.mark.parametrize("case", params("aibrix", CANNOT_PASS))
def test_golden(case: Case) -> None:
    check(case, REPLAYS)


def test_no_case_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, "aibrix", 50, CANNOT_PASS)


def test_a_hot_fleet_doubles_at_most() -> None:
    rule = AibrixApa(TERMS)
    hot = [replica(kv_usage_ratio=1.0)] * 2
    assert rule.desired(signals(0, 2, hot)) == 4


def test_one_dip_decides_as_coded_and_not_as_documented() -> None:
    coded, like_hpa = AibrixApa(TERMS), AibrixApa(TERMS, as_coded=False)
    for rule, after_dip in ((coded, 4), (like_hpa, 8)):
        busy = [replica(kv_usage_ratio=0.5)] * 8
        idle = [replica(kv_usage_ratio=0.0)] * 8
        assert rule.desired(signals(0, 8, busy)) == 8
        assert rule.desired(signals(200, 8, idle)) == after_dip


def test_without_a_sample_nothing_moves() -> None:
    assert AibrixApa(TERMS).desired(signals(0, 5, [replica(ready=False)] * 5)) == 5


def test_bounds_hold() -> None:
    rule = AibrixApa(TERMS)
    assert rule.desired(signals(0, 15, [replica(kv_usage_ratio=1.0)] * 15)) == TERMS.max_replicas


def test_a_lower_knob_wants_more() -> None:
    name, values = AibrixApa.KNOB
    assert name == "target"
    asked = [
        AibrixApa(TERMS, target=value).desired(signals(0, 6, [replica(kv_usage_ratio=0.6)] * 6)) for value in values
    ]
    assert asked == sorted(asked, reverse=True)
    assert asked[0] > asked[-1]


def test_running_requests_may_be_the_metric() -> None:
    rule = AibrixApaRunning(TERMS, target=10.0)
    assert rule.name == "aibrix-apa-running"
    assert rule.desired(signals(0, 4, [replica(running=15)] * 4)) == 6


def test_kpa_divides_the_fleets_total() -> None:
    assert AibrixKpa(TERMS, target=10.0).desired(signals(0, 4, [replica(running=15)] * 4)) == 6


def test_kpa_jumps_with_the_last_minute() -> None:
    rule = AibrixKpa(TERMS, target=10.0)
    for at_s in range(0, 180, 10):
        assert rule.desired(signals(at_s, 4, [replica(running=10)] * 4)) == 4
    asked = [rule.desired(signals(at_s, 4, [replica(running=100)] * 4)) for at_s in range(180, 240, 10)]
    assert asked[-1] == 8
