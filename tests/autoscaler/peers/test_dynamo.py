"""NVIDIA Dynamo's planner: every golden case, and what the rule does with a fleet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given as prop
from hypothesis import strategies as st

from autoscaler.peers.dynamo import Dynamo, budget, load, regression
from autoscaler.peers.dynamo.predictors import (
    Constant,
    Kalman,
    Shape,
    cleaned,
    demand_rps,
    last_or_none,
    next_offset_s,
    sticky,
)
from tests.autoscaler.peers.fleets import TERMS, replica, signals
from tests.autoscaler.peers.golden_llm import Case, check, params
from tests.autoscaler.peers.tally import tally

CANNOT_PASS: dict[str, str] = {}

Input = Mapping[str, Any]


def number(value: Any) -> float:
    return math.nan if value is None or value == "nan" else float(value)


def replay_predictor(given: Input) -> Input:
    values = [number(value) for value in given["values"]]
    options = dict(given["params"])
    if given["kind"] in ("arima", "prophet"):
        stored = cleaned(values, options.get("window"))
        offset_s = next_offset_s(len(stored), options.get("step_s", 1))
        return {"prediction": last_or_none(stored), "stored": len(stored), "next_offset_s": offset_s}
    predictor = Constant() if given["kind"] == "constant" else Kalman(**options)
    forecasts = [predictor.predict()]
    for value in values:
        predictor.add(value)
        forecasts.append(predictor.predict())
    return {
        "prediction": forecasts[-1],
        "stored": predictor.stored,
        "all_prefixes": min(forecasts),
        "repeat_equal": predictor.predict() == forecasts[-1],
    }


def replay_shape(given: Input) -> Input:
    shape = Shape()
    for window in given["windows"]:
        shape = shape.add(window["requests"], window["isl"], window["osl"])
    return {"requests": list(shape.requests), "isl": list(shape.isl), "osl": list(shape.osl)}


def engine(given: Input) -> load.Engine:
    last = {
        key: given[key] for key in ("prefill_tokens", "prefill_requests", "decode_requests", "wall_s") if key in given
    }
    kv = given.get("kv", given.get("kv_tokens", 0.0))
    passed = regression.Pass(**last, kv_tokens=kv)
    return load.Engine(given.get("queued_prefill", 0.0), kv, given.get("queued_kv", 0.0), passed)


def budgeted(given: Input, wanted: int) -> int:
    costs = budget.Costs(
        (given.get("gpus_per_replica", 1),), (given.get("min_endpoint", 1),), -1, given.get("max_gpus", -1)
    )
    return budget.clamp_single(max(wanted, costs.minimum[0]), costs)


def replay_easy(given: Input) -> Input:
    workers, capability = given["workers"], load.Capability(given["context_length"], given["max_kv"])
    band = (load.PREFILL if given["mode"] == "prefill" else load.DECODE)[given["target"]]
    proposal, reason = load.decide(
        [engine(one) for one in given["engines"]],
        workers,
        given.get("expected_workers", workers),
        lambda engines: load.easy_signal(given["mode"], engines, capability, band),
    )
    return {"replicas": workers if reason in load.HELD else budgeted(given, proposal), "reason": reason}


def replay_easy_pair(given: Input) -> Input:
    sides = {
        name: replay_easy({**given, "mode": mode, "engines": given[mode], "workers": len(given[mode])})["replicas"]
        for name, mode in (("p", "prefill"), ("d", "decode"))
    }
    return sides


def replay_regression(given: Input) -> Input:
    passes = [regression.Pass(**one) for one in given["train"]]
    sizes = {"max_samples": given["max_samples"], "buckets": given["buckets"]}
    query = given["query"]
    if query["op"] == "count":
        return {"count": len(regression.retained(given["role"], passes, **sizes))}
    model = regression.fit(given["role"], passes, min_observations=given["min_observations"], **sizes)
    if model is None:
        return {"value_s": None, "rps": 0}
    if query["op"].endswith("_pair"):
        return pair(*(ask(given["role"], model, {**query, "hit": hit}) for hit in query["hits"]))
    return ask(given["role"], model, query)


def ask(role: str, model: regression.Model, query: Input) -> dict[str, float]:
    hit = number(query["hit"]) if query.get("hit") is not None else None
    if query["op"] in ("avg_isl", "avg_kv"):
        return {"value": model.mean_isl if query["op"] == "avg_isl" else model.mean_kv_per_request}
    if query["op"] in ("ttft", "ttft_pair"):
        return {"value_s": model.ttft_s(query["queued"], query["max_batched"], query.get("kv", 0.0), hit)}
    if query["op"] == "itl":
        return {"value_s": model.itl_s(query["kv"], query["queued_kv"])}
    if role == "prefill":
        rate = regression.prefill_rate(model, query["isl"], hit)
    elif role == "decode":
        rate = regression.decode_rate(model, query["context"], query["osl"], query["itl_ms"] / 1000, math.inf)
    else:
        wanted = (query["isl"], query["osl"], query["ttft_ms"] / 1000, query["itl_ms"] / 1000, query["max_batched"])
        rate = regression.agg_rate(model, regression.Load(*wanted, hit))
    return {"rps": rate.rps, "ttft_ms": rate.ttft_s * 1000, "itl_ms": rate.itl_s * 1000}


def pair(first: dict[str, float], second: dict[str, float]) -> dict[str, Any]:
    key = "value_s" if "value_s" in first else "rps"
    return {"equal": math.isclose(first[key], second[key]), "ratio": first[key] / second[key]}


def replay_sla(given: Input) -> Input:
    workers, engines = given["workers"], [engine(one) for one in given["engines"]]
    if not given["load_enabled"]:
        return {"replicas": workers, "reason": "disabled"}
    passes = [regression.Pass(**one) for one in given["train"]] + [one.last for one in engines]
    model = regression.fit(given["mode"], passes, min_observations=given["min_observations"])
    capability = load.Capability(max_kv=given["max_kv"], max_batched=given["max_batched"])
    sla = load.Sla(given["ttft_ms"] / 1000, given["itl_ms"] / 1000, given["sensitivity"])
    proposal, reason = load.decide(
        engines,
        workers,
        workers,
        lambda seen: load.sla_signal(given["mode"], seen, capability, model, sla) if model else None,
    )
    got = {"replicas": max(1, proposal), "reason": reason}
    return got if model is None or not engines else {**got, "estimate_ms": estimate_ms(given, model, engines[0])}


def estimate_ms(given: Input, model: regression.Model, one: load.Engine) -> float:
    if given["mode"] == "prefill":
        return model.ttft_s(one.queued_prefill, given["max_batched"]) * 1000
    return model.itl_s(one.kv, one.queued_kv) * 1000


def replay_sizing(given: Input) -> Input:
    passes = [regression.Pass(**one) for one in given["train"]]
    model = regression.fit(given["role"], passes, min_observations=given["min_observations"])
    assert model is not None
    ttft_s, itl_s, isl, osl = given["ttft_ms"] / 1000, given["itl_ms"] / 1000, given["isl"], given["osl"]
    if given["role"] == "prefill":
        rate = regression.prefill_rate(model, isl, given["kv_hit_rate"])
    elif given["role"] == "decode":
        rate = regression.decode_rate(model, isl + osl / 2, osl, itl_s, math.inf)
    else:
        rate = regression.agg_rate(model, regression.Load(isl, osl, ttft_s, itl_s, given["max_batched"]))
    replicas = regression.replicas_for(given["demand_rps"], rate.rps, given["min_endpoint"])
    assert replicas is not None
    if given["ttft_floor"]:
        # The floor of an intermediate version, which the newest does not have (D1).
        replicas = max(replicas, math.ceil(rate.ttft_s / ttft_s))
    return {"replicas": replicas, "engine_rps": rate.rps}


def replay_fixed_sizing(given: Input) -> Input:
    return {"replicas": regression.replicas_for(given["demand_rps"], given["engine_rps"], given["min_endpoint"])}


def costs_of(given: Input) -> budget.Costs:
    if "p_gpu" in given:
        gpus, minimum = (given["p_gpu"], given["d_gpu"]), (given["min_p"], given["min_d"])
        return budget.Costs(gpus, minimum, given["min_gpus"], given["max_gpus"])
    return budget.Costs((given["gpus"],), (given["min_endpoint"],), given["min_gpus"], given["max_gpus"])


def of_pair(counts: tuple[int, ...], given: Input) -> dict[str, Any]:
    return {"p": counts[0], "d": counts[1], "total": costs_of(given).total(counts)}


def replay_guard_pair(given: Input) -> Input:
    result, reason = budget.guard(tuple(given["current"]), tuple(given["proposed"]), costs_of(given))
    return {**of_pair(result, given), "reason": reason}


def replay_guard_single(given: Input) -> Input:
    (result,), reason = budget.guard((given["current"],), (given["proposed"],), costs_of(given))
    return {"replicas": result, "reason": reason}


def replay_fit(given: Input) -> Input:
    current, proposed = given["current"], given["proposed"]
    return of_pair(budget.fit_pair((current[0], current[1]), (proposed[0], proposed[1]), costs_of(given)), given)


PARTS = {"disagg": (0, 1), "prefill": (0,), "decode": (1,), "agg": (1,)}
"""Which of the pair a planner of that mode moves; an aggregated engine stands in the second place."""


def replay_throughput(given: Input) -> Input:
    parts, whole = PARTS[given["mode"]], costs_of(given)
    costs = budget.Costs(
        tuple(whole.gpus[i] for i in parts), tuple(whole.minimum[i] for i in parts), whole.min_gpus, whole.max_gpus
    )
    current = tuple(given["current"][i] for i in parts)
    got: dict[str, Any] = {"decision": None, "floor": None, "floor_d": None, "reason": None}
    floor = costs.minimum
    if given["throughput_enabled"]:
        step = budget.throughput_step(current, [given["raw"][i] for i in parts], costs, given["step_limit"])
        got["reason"] = step.reason
        if given["load_enabled"]:
            floor = step.target
            got |= {"floor": list(floor), "floor_d": floor[-1]}
        else:
            decision, reason = budget.settle(current, step.target, costs)
            got["decision"] = spread(decision, parts)
            got["reason"] = step.reason or reason
    if given["then_load"]:
        proposed = tuple(max(given["then_load"][i], low) for i, low in zip(parts, floor, strict=True))
        decision, reason = budget.settle(current, proposed, costs)
        got |= {"load_decision": spread(decision, parts), "load_reason": reason}
    return got


def spread(decision: tuple[int, ...] | None, parts: tuple[int, ...]) -> list[int | None] | None:
    if decision is None:
        return None
    by_part = dict(zip(parts, decision, strict=True))
    return [by_part.get(0), by_part.get(1)]


def replay_pending(given: Input) -> Input:
    if given["kv"] is None:
        return {"replicas": None}
    mode = "agg" if given["mode"] == "agg" else "decode"
    band = load.Band(given["up_kv"], given["down_kv"]) if given["target"] == "load" else load.DECODE[given["target"]]
    engines = [load.Engine(kv=kv) for kv in given["kv"]]
    signal = load.easy_signal(mode, engines, load.Capability(max_kv=given["max_kv"]), band)
    if given["in_progress"]:
        return {"replicas": load.while_pending(signal, given["ready"], given["pending"])}
    assert signal is not None
    return {"replicas_or_hold": load.moved(given["ready"], signal)}


def replay_projection(given: Input) -> Input:
    memory, decisions = load.Cancellation(), []
    peers = given["peer_ready"] + given["peer_pending"]
    for step in given["steps"]:
        target, lasted = max(step["target"], given["min_endpoint"]), False
        if step["explicit"]:
            lasted, memory = memory.step(step["t"], target, step["ready"], step["pending"], given["load_interval_s"])
        allowed = budget.in_band(target + peers, given["min_gpus"], given["max_gpus"], 0)
        if given["max_watts"] is not None:
            allowed = allowed and (target + peers) * given["watts_per_replica"] <= given["max_watts"]
        decisions.append(target if lasted and allowed else None)
    return {"decisions": decisions}


def replay_hit_rate(given: Input) -> Input:
    kept: float | None = None
    predictor = Constant()
    for value in given["observations"]:
        kept = sticky(kept, number(value))
        predictor.add(number(kept))
    return {"value": predictor.predict() if given["both_loops"] else kept}


REPLAYS = {
    "predictor": replay_predictor,
    "request_shape": replay_shape,
    "demand_rate": lambda given: {"rps": demand_rps(**given)},
    "easy_load": replay_easy,
    "easy_load_pair": replay_easy_pair,
    "regression": replay_regression,
    "sla_load": replay_sla,
    "sizing": replay_sizing,
    "sizing_fixed": replay_fixed_sizing,
    "budget_tolerance": lambda given: {"tolerance": budget.tolerance(given["gpus"])},
    "budget_band": lambda given: {
        "in_band": budget.in_band(given["total"], given["min_gpus"], given["max_gpus"], given["tolerance"])
    },
    "clamp_pair": lambda given: of_pair(budget.clamp_pair((given["p"], given["d"]), costs_of(given)), given),
    "clamp_single": lambda given: {"replicas": budget.clamp_single(given["replicas"], costs_of(given))},
    "guard_single": replay_guard_single,
    "guard_pair": replay_guard_pair,
    "fit_pair": replay_fit,
    "throughput_state": replay_throughput,
    "pending_load": replay_pending,
    "pending_projection": replay_projection,
    "sticky_hit_rate": replay_hit_rate,
}


@pytest.mark.parametrize("case", params("dynamo", CANNOT_PASS))
def test_golden(case: Case) -> None:
    check(case, REPLAYS)


def test_no_case_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, "dynamo", 245, CANNOT_PASS)


@prop(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.booleans())
def test_a_forecast_is_never_negative(values: list[float], log1p: bool) -> None:
    kalman = Kalman(log1p=log1p)
    for value in values:
        kalman.add(value)
        assert kalman.predict() >= 0


def test_the_filter_follows_a_trend() -> None:
    kalman = Kalman()
    for value in range(10, 400, 10):
        kalman.add(value)
    assert kalman.predict() == pytest.approx(400, rel=0.02)


counts = st.tuples(st.integers(0, 40), st.integers(0, 40))


@prop(counts, counts, st.tuples(st.integers(1, 4), st.integers(1, 4)), st.integers(0, 60), st.integers(8, 100))
def test_no_guard_leads_above_the_maximum(
    current: tuple[int, int], proposed: tuple[int, int], gpus: tuple[int, int], low: int, high: int
) -> None:
    costs = budget.Costs(gpus, (1, 1), min(low, high), high)
    result, _ = budget.guard(current, proposed, costs)
    assert costs.total(result) <= high
    fitted = budget.fit_pair(current, proposed, costs)
    assert fitted == current or costs.holds(fitted)


LAW = regression.Model(5e-5, 1e-4, 2e-8, 0.01, 2000.0, 100.0, 10.0, 2100.0)


@prop(st.floats(10, 8000), st.floats(2, 2000), st.floats(0.2, 5), st.floats(0.015, 0.2))
def test_an_engine_is_never_rated_beyond_its_targets(isl: float, osl: float, ttft_s: float, itl_s: float) -> None:
    asked = regression.Load(isl, osl, ttft_s, itl_s, max_batched=8192)
    rate, alone = regression.agg_rate(LAW, asked), regression.agg_rate(LAW, asked, batch_limit=1)
    assert rate.rps >= alone.rps
    assert rate == alone or (rate.ttft_s <= ttft_s and rate.itl_s <= itl_s)


def busy(count: int, running: int = 20, waiting: int = 0, kv: float = 0.1) -> list[Any]:
    return [replica(running=running, waiting=waiting, kv_usage_ratio=kv)] * count


def test_one_more_when_every_engine_is_late() -> None:
    assert Dynamo(TERMS).desired(signals(0, 3, busy(3, waiting=200))) == 4
    assert Dynamo(TERMS).desired(signals(0, 3, [*busy(2, waiting=200), *busy(1)])) == 3


def test_one_less_when_the_others_could_take_its_load() -> None:
    assert Dynamo(TERMS).desired(signals(0, 3, busy(3, running=2, kv=0.01))) == 2
    assert Dynamo(TERMS).desired(signals(0, 3, busy(3, kv=0.7))) == 3


def test_nothing_while_a_replica_starts_or_nothing_was_served() -> None:
    starting = [*busy(3, waiting=200), replica(ready=False)]
    assert Dynamo(TERMS).desired(signals(0, 4, starting)) == 4
    assert Dynamo(TERMS).desired(signals(0, 3, busy(3), lengths=None)) == 3


def test_predicted_demand_is_a_floor() -> None:
    for predictor in ("kalman", "constant"):
        rule = Dynamo(TERMS, predictor)
        for at_s in range(0, 180, 5):
            rule.desired(signals(at_s, 2, busy(2), arrivals_per_s=30.0))
        floor = rule.desired(signals(180, 2, busy(2, running=2, kv=0.01), arrivals_per_s=30.0))
        assert floor > 2
        assert rule.desired(signals(185, floor, busy(floor, running=2, kv=0.01), arrivals_per_s=30.0)) == floor


def test_tighter_targets_want_more() -> None:
    name, shares = Dynamo.KNOB
    assert name == "sla_share"
    asked = []
    for share in shares:
        rule = Dynamo(TERMS, sla_share=share)
        for at_s in range(0, 180, 5):
            rule.desired(signals(at_s, 8, busy(8), arrivals_per_s=60.0))
        asked.append(rule.desired(signals(180, 8, busy(8), arrivals_per_s=60.0)))
    assert asked == sorted(asked, reverse=True)
    assert asked[0] > asked[-1]


def test_bounds_hold() -> None:
    full = busy(TERMS.max_replicas, waiting=500)
    assert Dynamo(TERMS).desired(signals(0, TERMS.max_replicas, full)) == TERMS.max_replicas
    assert Dynamo(TERMS).desired(signals(0, 1, busy(1, running=0, kv=0.0))) == 1
