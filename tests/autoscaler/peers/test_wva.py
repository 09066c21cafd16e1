"""llm-d WVA: every golden case of both versions, and what the rule does with a fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given as prop
from hypothesis import strategies as st

from autoscaler.peers import wva, wva_pipeline, wva_queue, wva_v1
from tests.autoscaler.peers.fleets import TERMS, replica, signals
from tests.autoscaler.peers.golden_llm import Case, check, params
from tests.autoscaler.peers.tally import tally

CANNOT_PASS: dict[str, str] = {}

Input = Mapping[str, Any]

FUNCTIONS: dict[str, Callable[[float], float]] = {
    "x*x": lambda x: x * x,
    "2*x": lambda x: 2 * x,
    "-x": lambda x: -x,
    "2*x+3": lambda x: 2 * x + 3,
}


def replay_v1(given: Input) -> Input:
    limits = wva_v1.Thresholds(*(given[f"{a}_{b}"] for b in ("threshold", "trigger") for a in ("kv", "queue")))
    verdict = wva_v1.saturation([wva_v1.ReplicaLoad(**one) for one in given["replicas"]], limits)
    return {
        "total": verdict.total,
        "non_saturated": verdict.non_saturated,
        "saturated": list(verdict.saturated),
        "spare_kv": verdict.spare_kv,
        "spare_queue": verdict.spare_queue,
        "up": verdict.up,
        "down_safe": verdict.down_safe,
    }


def replay_v1_targets(given: Input) -> Input:
    variants = [wva_v1.Variant(**one) for one in given["variants"]]
    return {"targets": wva_v1.targets(given["up"], given["down_safe"], variants)}


def replay_v2(given: Input) -> Input:
    config = wva.Config(**given["config"])
    store = [wva.Record(**record) for record in given["store"]]
    history: wva.History = {}
    for step in given["steps"]:
        analysis = wva.analyse(
            config,
            [wva.Replica(**one) for one in step["replicas"]],
            [wva.Variant(one["name"], one["current"], one["pending"]) for one in step["variants"]],
            store=store,
            queue=wva.SchedulerQueue(**step["queue"]) if step["queue"] else None,
            history=history,
        )
        history = analysis.history
    return {
        "capacity": analysis.capacity,
        "capacity_of": analysis.capacity,
        "demand": analysis.demand,
        "required": analysis.required,
        "spare": analysis.spare,
        "history": {key: wva.mean(values) for key, values in history.items()},
    }


def replay_rolling(given: Input) -> Input:
    kept: tuple[float, ...] = ()
    for value in given["values"]:
        kept = wva.remember(kept, value, given["size"])
    return {"mean": wva.mean(kept), "length": len(kept)}


def replay_cost_aware(given: Input) -> Input:
    offers = [wva_pipeline.Offer(**one) for one in given["variants"]]
    return {"targets": wva_pipeline.cost_aware(given["required"], given["spare"], offers)}


def replay_order(given: Input) -> Input:
    offers = [wva_pipeline.Offer(name, cost, capacity, 0) for name, cost, capacity in given["variants"]]
    if given["by"] == "efficiency":
        ordered = wva_pipeline.by_efficiency(offers)
    else:
        ordered = wva_pipeline.by_cost(offers, descending=given["by"] == "cost_desc")
    return {"order": [one.name for one in ordered], "first": ordered[0].name}


def allotted(result: wva_pipeline.Allotment) -> dict[str, Any]:
    return {
        "targets": result.targets,
        "allocated": result.allocated,
        "limited": list(result.limited),
        "remaining": result.remaining,
    }


def replay_greedy(given: Input) -> Input:
    wishes = [wva_pipeline.Wish(**one) for one in given["decisions"]]
    return allotted(wva_pipeline.greedy(given["gpus_available"], wishes))


def replay_limiter(given: Input) -> Input:
    wishes = [wva_pipeline.Wish(**one) for one in given["decisions"]]
    return {**allotted(wva_pipeline.limiter(given["limits"], wishes)), "used": wva_pipeline.used_gpus(wishes)}


def replay_inventory(given: Input) -> Input:
    stock = wva_pipeline.inventory(given["nodes"], given["used"])
    return {
        "limit": stock.limit,
        "available": stock.available,
        "total": sum(stock.limit.values()),
        "used_total": sum(stock.used.values()),
        "available_total": sum(stock.available.values()),
    }


def replay_allocator(given: Input) -> Input:
    granted, remaining = wva_pipeline.allocate(given["pool"], given["requests"])
    return {"granted": granted, "remaining": remaining}


def replay_enforcer(given: Input) -> Input:
    result = wva_pipeline.enforce(given["targets"], given["costs"], given["requests"], given["zero_allowed"])
    return {"targets": result[0], "applied": result[1]}


def service(given: Input) -> wva_queue.Service:
    return wva_queue.Service(given["alpha"], given["beta"], given["gamma"], given["I"], given["O"])


def analyser(given: Input) -> wva_queue.Analyser:
    return wva_queue.Analyser(service(given), given["max_batch"], given["max_queue"])


def replay_valid(given: Input) -> Input:
    try:
        analyser({"alpha": 1, "beta": 0.01, "gamma": 0.001, **given})
    except ValueError:
        return {"error": True}
    return {"error": False}


def replay_range(given: Input) -> Input:
    low, high = analyser(given).rates_per_ms
    return {"min_rps": low * 1000, "max_rps": high * 1000, "ordered": low < high}


def asked_rate(given: Input) -> float:
    low, high = analyser(given).rates_per_ms
    if "rate_of_min" in given:
        return float(given["rate_of_min"] * low)
    if "rate_of_max" in given:
        return float(given["rate_of_max"] * high)
    return float(given["rate_mid"] * (low + high)) if "rate_mid" in given else given["rate_rps"] / 1000


def replay_analyse(given: Input) -> Input:
    rate = asked_rate(given)
    try:
        got = analyser(given).analyse(rate)
    except ValueError:
        return {"error": True}
    return {
        "error": False,
        "rate_rps": rate * 1000,
        "throughput_rps": got.throughput_per_ms * 1000,
        "wait_ms": got.wait_ms,
        "prefill_ms": got.prefill_ms,
        "itl_ms": got.itl_ms,
        "ttft_ms": got.ttft_ms,
        "in_service": got.in_service,
        "rho": got.rho,
    }


def replay_size(given: Input) -> Input:
    try:
        sizes = analyser(given).size(given["ttft_ms"], given["itl_ms"], given["tps"])
    except ValueError:
        return {"error": True}
    got = analyser(given).analyse(sizes.rate_per_ms)
    return {
        "error": False,
        "rate_ttft_rps": sizes.ttft_per_ms * 1000,
        "rate_itl_rps": sizes.itl_per_ms * 1000,
        "rate_tps_rps": sizes.tps_per_ms * 1000,
        "ttft_ms": got.ttft_ms,
        "itl_ms": got.itl_ms,
        "tps": got.throughput_per_ms * 1000 * given["O"],
    }


def replay_eval(given: Input) -> Input:
    got = analyser(given).evaluate(given["rate_per_ms"])
    return {"ttft_ms": got.ttft_ms, "itl_ms": got.itl_ms}


def replay_bisection(given: Input) -> Input:
    x, side = wva_queue.bisect(given["lo"], given["hi"], given["target"], FUNCTIONS[given["function"]])
    return {"x": x, "side": side}


def replay_mm1k(given: Input) -> Input:
    """Little's law against the mean stay that an accepted request sees on arrival."""
    rate, service_rate, places = given["rate"], given["service"], given["K"]
    state = wva_queue.steady(rate, [service_rate], places)
    weights = [(rate / service_rate) ** count for count in range(places)]
    stay = sum(weight * (count + 1) / service_rate for count, weight in enumerate(weights)) / sum(weights)
    return {
        "in_system": state.in_system,
        "throughput": state.throughput_per_ms,
        "little_gap": abs(state.in_system - state.throughput_per_ms * stay),
    }


def replay_mm1k_compare(given: Input) -> Input:
    chain = wva_queue.steady(given["rate"], [given["service"]] * given["K"], given["K"])
    in_system, throughput = wva_queue.mm1k(given["rate"], given["service"], given["K"])
    return {
        "in_system_gap": abs(chain.in_system - in_system),
        "throughput_gap": abs(chain.throughput_per_ms - throughput),
    }


REPLAYS = {
    "v1_saturation": replay_v1,
    "v1_targets": replay_v1_targets,
    "v2_capacity": replay_v2,
    "v2_k2": lambda given: {"k2": wva.derived_k2(**given)},
    "median": lambda given: {"median": wva.median(given["values"])},
    "rolling_mean": replay_rolling,
    "cost_aware": replay_cost_aware,
    "order": replay_order,
    "merge_limits": lambda given: {"available": wva_pipeline.merge_limits(given["limits"])},
    "greedy": replay_greedy,
    "limiter": replay_limiter,
    "inventory": replay_inventory,
    "allocator": replay_allocator,
    "enforcer": replay_enforcer,
    "queue_prefill": lambda given: {"time_ms": service(given).prefill_ms(given["batch"])},
    "queue_decode": lambda given: {"time_ms": service(given).decode_ms(given["batch"])},
    "queue_valid": replay_valid,
    "queue_range": replay_range,
    "queue_analyse": replay_analyse,
    "queue_size": replay_size,
    "queue_eval": replay_eval,
    "within": lambda given: {"within": wva_queue.within(given["x"], given["value"], given["tol"])},
    "bisection": replay_bisection,
    "mm1k": replay_mm1k,
    "mm1k_compare": replay_mm1k_compare,
}


@pytest.mark.parametrize("case", params("wva", CANNOT_PASS))
def test_golden(case: Case) -> None:
    check(case, REPLAYS, derived_tolerance=1e-6)


def test_no_case_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, "wva", 148, CANNOT_PASS)


@prop(st.floats(0.01, 5), st.floats(0.01, 5), st.integers(1, 40))
def test_the_chain_is_the_closed_form_for_one_server(rate: float, service_rate: float, places: int) -> None:
    state = wva_queue.steady(rate, [service_rate], places)
    in_system, throughput = wva_queue.mm1k(rate, service_rate, places)
    if abs(rate / service_rate - 1) > 0.01:
        assert state.in_system == pytest.approx(in_system, rel=1e-6)
        assert state.throughput_per_ms == pytest.approx(throughput, rel=1e-6)


@prop(st.integers(0, 60), st.lists(st.tuples(st.integers(1, 12), st.integers(1, 4)), max_size=6))
def test_no_more_gpus_are_handed_out_than_there_are(gpus: int, sizes: list[tuple[int, int]]) -> None:
    wishes = [wva_pipeline.Wish(str(i), 1, target, each) for i, (target, each) in enumerate(sizes)]
    result = wva_pipeline.greedy(gpus, wishes)
    assert sum(result.allocated.values()) + result.remaining <= gpus


def full(count: int, kv: float, waiting: int = 0) -> list[Any]:
    return [replica(kv_usage_ratio=kv, waiting=waiting)] * count


def test_a_full_fleet_grows_by_what_is_missing() -> None:
    rule = wva.WvaV2(TERMS, stabilisation_s=0.0)
    # Demand 4 x 300,000 tokens at 0.85 needs 1.41 M; a replica carries 0.8 x 400,000: five are needed.
    assert rule.desired(signals(0, 4, full(4, 0.75))) == 5


def test_the_chart_waits_four_minutes_both_ways() -> None:
    for busy, want in ((0.75, 5), (0.1, 1)):
        rule = wva.WvaV2(TERMS)
        asked = [rule.desired(signals(0, 4, full(4, 0.6)))]
        asked += [rule.desired(signals(15 * tick, 4, full(4, busy))) for tick in range(1, 21)]
        assert asked[:16] == [4] * 16
        assert asked[-1] == want


def test_the_optimiser_runs_once_a_minute() -> None:
    rule = wva.WvaV2(TERMS, stabilisation_s=0.0)
    assert rule.desired(signals(0, 4, full(4, 0.6))) == 4
    assert rule.desired(signals(45, 4, full(4, 0.75))) == 4
    assert rule.desired(signals(60, 4, full(4, 0.75))) == 5


def test_a_starting_replica_counts_as_supply() -> None:
    rule = wva.WvaV2(TERMS, stabilisation_s=0.0)
    assert rule.desired(signals(0, 5, [*full(4, 0.75), replica(ready=False)])) == 5


def test_without_any_report_nothing_shrinks() -> None:
    rule = wva.WvaV2(TERMS, stabilisation_s=0.0)
    assert rule.desired(signals(0, 5, [replica(ready=False)] * 5)) == 5


def test_a_lower_knob_wants_more() -> None:
    name, values = wva.WvaV2.KNOB
    assert name == "kv_threshold"
    fleet = signals(0, 4, full(4, 0.7))
    asked = [wva.WvaV2(TERMS, kv_threshold=value, stabilisation_s=0.0).desired(fleet) for value in values]
    assert asked == sorted(asked, reverse=True)
    assert asked[0] > asked[-1]
