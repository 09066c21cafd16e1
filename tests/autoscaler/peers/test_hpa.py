"""The Kubernetes HPA: every golden case, and what the rule does with a fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from autoscaler.peers.hpa import Hpa
from autoscaler.peers.hpa_behavior import (
    Behavior,
    Memory,
    Recommendation,
    Rules,
    ScaleEvent,
    Select,
    Step,
    changed,
    down_limit,
    limit_plain,
    limit_rate,
    stabilise,
    stabilise_plain,
    store,
    sync,
    up_limit,
)
from autoscaler.peers.hpa_metrics import (
    Tolerance,
    combine,
    from_average_value,
    from_pods,
    from_resource,
    from_value,
)
from autoscaler.peers.hpa_pods import Container, MetricsError, Pod, Sample, Startup, group, request_of_pod
from tests.autoscaler.peers.fleets import TERMS, replica, signals
from tests.autoscaler.peers.golden_llm import Case, params
from tests.autoscaler.peers.tally import tally

CANNOT_PASS: dict[str, str] = {}
COUNTS = {"hpa-replicas": 101, "hpa-behavior": 81}

Input = Mapping[str, Any]


def pods_of(given: Input) -> list[Pod]:
    return [Pod(**{"request_milli": None, **pod}) for pod in given["pods"]]


def samples_of(given: Input) -> dict[str, Sample]:
    return {name: Sample(**sample) for name, sample in given["samples"].items()}


def tolerance_of(given: Input) -> Tolerance:
    return Tolerance(given["tolerance"]["down"], given["tolerance"]["up"])


def startup_of(given: Input) -> Startup:
    return Startup(given["cpu_init_s"], given["readiness_delay_s"])


def replay_resource(given: Input) -> Input:
    proposal = from_resource(
        given["current"],
        given["target_utilization_pct"],
        samples_of(given),
        pods_of(given),
        resource=given["resource"],
        tolerance=tolerance_of(given),
        startup=startup_of(given),
    )
    return {
        "replicas": proposal.replicas,
        "utilization_pct": proposal.utilization_pct,
        "average_milli": proposal.usage_milli,
    }


def replay_total(given: Input) -> Input:
    values = (given["current"], given["target_milli"], given["values_milli"])
    if given["kind"].endswith("average"):
        proposal = from_average_value(*values, tolerance=tolerance_of(given))
    else:
        proposal = from_value(*values, pods_of(given), tolerance=tolerance_of(given))
    return {"replicas": proposal.replicas, "usage_milli": proposal.usage_milli}


def replay_pods(given: Input) -> Input:
    values = (given["current"], given["target_milli"], samples_of(given), pods_of(given))
    proposal = from_pods(*values, tolerance=tolerance_of(given))
    return {"replicas": proposal.replicas, "usage_milli": proposal.usage_milli}


def replay_group(given: Input) -> Input:
    groups = group(pods_of(given), samples_of(given), given["resource"], startup_of(given))
    names = {kind: sorted(getattr(groups, kind)) for kind in ("unready", "missing", "ignored")}
    return {"ready_count": groups.ready, **names}


def replay_requests(given: Input) -> Input:
    request = request_of_pod(
        [Container(**container) for container in given["containers"]],
        [Container(c["name"], c["request_milli"], c["restarts"]) for c in given["init_containers"]],
        only=given["container"],
        pod_request_milli=given["pod_request_milli"],
        pod_level=given["pod_level_enabled"],
    )
    return {"request_milli": request}


REPLICAS = {
    "resource": replay_resource,
    "container": replay_resource,
    "pods": replay_pods,
    "group": replay_group,
    "requests": replay_requests,
    **dict.fromkeys(("object-value", "object-average", "external-value", "external-average"), replay_total),
}


@pytest.mark.parametrize("case", params("hpa-replicas", CANNOT_PASS))
def test_replicas(case: Case) -> None:
    try:
        got = REPLICAS[case["input"]["kind"]](case["input"])
    except MetricsError as error:
        got = {"error": error.problem.value}
    assert {key: got.get(key) for key in case["expected"]} == case["expected"]


def events_of(rows: Sequence[Input]) -> tuple[ScaleEvent, ...]:
    return tuple(ScaleEvent(row["change"], -row["age_s"]) for row in rows)


def rules_of(rules: Input | None) -> Rules | None:
    if rules is None:
        return None
    steps = tuple(Step(step["type"], step["value"], step["period_s"]) for step in rules["policies"])
    return Rules(steps, rules["window_s"], Select(rules["select"]))


def log_of(given: Input) -> tuple[Recommendation, ...]:
    return tuple(Recommendation(entry["replicas"], -entry["age_s"]) for entry in given["recommendations"])


def replay_rate(given: Input) -> Input:
    defaults = Behavior()
    behavior = Behavior(rules_of(given["up_rules"]) or defaults.up, rules_of(given["down_rules"]) or defaults.down)
    events = (events_of(given["up_events"]), events_of(given["down_events"]))
    limited = limit_rate(given["current"], given["desired"], given["min"], given["max"], behavior, *events, 0.0)
    return {"replicas": limited.replicas, "reason": limited.reason}


def replay_plain(given: Input) -> Input:
    limited = limit_plain(given["current"], given["desired"], given["min"], given["max"])
    return {"replicas": limited.replicas, "reason": limited.reason}


def replay_limit(given: Input) -> Input:
    limit = up_limit if given["kind"] == "limit-up" else down_limit
    rules = rules_of(given["rules"])
    assert rules is not None
    return {
        "replicas": limit(given["current"], rules, events_of(given["up_events"]), events_of(given["down_events"]), 0.0)
    }


def replay_window_max(given: Input) -> Input:
    replicas, log = stabilise_plain(given["desired"], log_of(given), given["window_s"], 0.0)
    return {"replicas": replicas, "log_length": len(log)}


def replay_window_both(given: Input) -> Input:
    windows = (given["up_window_s"], given["down_window_s"])
    replicas, log = stabilise(given["current"], given["desired"], log_of(given), *windows, 0.0)
    return {"replicas": replicas, "log": [entry.replicas for entry in log]}


def replay_store(given: Input) -> Input:
    events = events_of(given["events"])
    change = abs(given["to_replicas"] - given["from_replicas"])
    after = store(events, change, rules_of(given["rules"]), 0.0)
    return {
        "change_in_period": changed(events, given["period_s"], 0.0),
        "events": [{"change": event.change, "outdated": event.outdated} for event in after],
    }


BEHAVIOR = {
    "rate": replay_rate,
    "plain-limit": replay_plain,
    "limit-up": replay_limit,
    "limit-down": replay_limit,
    "window-max": replay_window_max,
    "window-both": replay_window_both,
    "store": replay_store,
}


@pytest.mark.parametrize("case", params("hpa-behavior", CANNOT_PASS))
def test_behavior(case: Case) -> None:
    got = BEHAVIOR[case["input"]["kind"]](case["input"])
    assert {key: got[key] for key in case["expected"]} == case["expected"]


@pytest.mark.parametrize(("table", "count"), COUNTS.items(), ids=COUNTS)
def test_no_case_is_dropped(table: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, table, count, CANNOT_PASS)


@pytest.mark.parametrize(
    ("proposals", "want"),
    [([3, 5], 5), ([3, None], None), ([6, None], 6), ([None, None], None), ([4, None], 4)],
)
def test_an_unusable_metric_never_lets_the_fleet_shrink(proposals: list[int | None], want: int | None) -> None:
    assert combine(4, proposals) == want


def test_from_zero_replicas_an_average_has_no_tolerance() -> None:
    assert from_average_value(0, 1000, [1050]).replicas == 2


def test_select_disabled_keeps_the_replicas() -> None:
    rules = Rules((Step("Pods", 5, 60),), select=Select.DISABLED)
    assert up_limit(7, rules, (), (), 0.0) == down_limit(7, rules, (), (), 0.0) == 7


def test_out_of_bounds_is_corrected_at_once_and_a_fresh_controller_remembers_what_it_found() -> None:
    assert sync(30, 30, 1, 20, None, Memory(), 0.0)[0].replicas == 20
    assert sync(10, 2, 1, 20, None, Memory(), 0.0)[0].replicas == 10


@examples(
    st.lists(st.integers(0, 60), min_size=1, max_size=60),
    st.sampled_from([None, Behavior(), Behavior(down=Rules((Step("Pods", 1, 120.0),), 180.0))]),
)
def test_whatever_is_wanted_the_bounds_hold_and_the_memory_stays_small(
    wanted: list[int], behavior: Behavior | None
) -> None:
    current, memory = 5, Memory()
    for tick, want in enumerate(wanted):
        limited, memory = sync(current, want, 2, 20, behavior, memory, 15.0 * tick)
        current = limited.replicas
        assert 2 <= current <= 20
    assert len(memory.log) <= 300 / 15 + 2


def busy(count: int, requests: int, *, starting: int = 0) -> list[Any]:
    return [replica(running=requests) for _ in range(count)] + [replica(ready=False)] * starting


def test_ramp_up_follows_the_load() -> None:
    assert Hpa(TERMS, target=16).desired(signals(0, 4, busy(4, 30))) == 8


def test_plain_growth_is_at_most_double_or_four() -> None:
    assert Hpa(TERMS, target=1).desired(signals(0, 1, busy(1, 100))) == 4
    assert Hpa(TERMS, target=1).desired(signals(0, 6, busy(6, 100))) == 12


def test_replicas_that_start_count_as_idle_while_growing() -> None:
    # 4 pods with 30, 4 without a sample: (120 + 0) / 8 = 15 of 16 turns the direction, so the fleet is kept.
    assert Hpa(TERMS, target=16).desired(signals(0, 8, busy(4, 30, starting=4))) == 8


def test_near_the_target_nothing_moves() -> None:
    assert Hpa(TERMS, target=16).desired(signals(0, 4, busy(4, 17))) == 4


def test_scale_in_waits_for_the_highest_need_of_five_minutes() -> None:
    rule = Hpa(TERMS, target=16)
    assert rule.desired(signals(0, 8, busy(8, 16))) == 8
    assert {rule.desired(signals(15.0 * tick, 8, busy(8, 2))) for tick in range(1, 21)} == {8}
    assert rule.desired(signals(315, 8, busy(8, 2))) == 1


def test_behavior_waits_as_long_and_then_may_drop_at_once() -> None:
    rule = Hpa(TERMS, target=16, behavior=Behavior())
    assert rule.name == "hpa-behavior"
    assert rule.desired(signals(0, 8, busy(8, 16))) == 8
    assert rule.desired(signals(285, 8, busy(8, 2))) == 8
    assert rule.desired(signals(300, 8, busy(8, 2))) == 1


def test_without_any_sample_the_fleet_is_held_within_its_bounds() -> None:
    assert Hpa(TERMS).desired(signals(0, 6, busy(0, 0, starting=6))) == 6
    assert Hpa(TERMS).desired(signals(0, 90, [])) == TERMS.max_replicas


def test_never_beyond_the_bounds() -> None:
    assert Hpa(TERMS, target=1).desired(signals(0, 15, busy(15, 500))) == TERMS.max_replicas
