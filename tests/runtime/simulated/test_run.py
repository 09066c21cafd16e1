"""Fixed fleets: every request is served once, and the figures are those of a plain engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.routers import ROUTERS
from runtime.simulated.run import FixedFleet, Run, figures, row, run
from runtime.simulated.schedulers import SCHEDULERS
from runtime.traces import Trace
from tests.runtime.simulated.reference_engine import ReferenceEngine, Request
from tests.runtime.simulated.test_kernel import POOL, TICK_S

TARGET = LatencyTarget(2.0, 0.0, 0.05)


def trace(*requests: tuple[float, int, int]) -> Trace:
    """A trace of (arrival, input, output)."""
    arrival_s, inputs, outputs = zip(*requests, strict=True)
    return Trace("t", np.array(arrival_s), np.array(inputs, np.int32), np.array(outputs, np.int32))


def burst(count: int, every_s: float = 0.0, tokens: tuple[int, int] = (20, 30)) -> Trace:
    return trace(*((i * every_s, *tokens) for i in range(count)))


def serve(requests: Trace, replicas: int = 2, **fleet: object) -> Run:
    return run(requests, FixedFleet((POOL,) * replicas, TARGET, **fleet))  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40), st.integers(1, 60)), min_size=1, max_size=20))
def test_one_replica_is_a_plain_engine(shapes: list[tuple[int, int, int]]) -> None:
    at_s = np.cumsum([gap for gap, *_ in shapes]) * TICK_S
    sizes = [(float(t), i, o) for t, (_, i, o) in zip(at_s, shapes, strict=True)]
    plain, requests = ReferenceEngine(POOL), [Request(*size) for size in sizes]
    for request in requests:
        plain.advance(request.arrival_s)
        plain.enqueue(request, request.arrival_s)
    plain.advance(1e6)
    served = figures(serve(trace(*sizes), 1).requests)
    assert served["ttft_s"].tolist() == [r.token_s[0] - r.arrival_s for r in requests]
    assert served["e2e_s"].tolist() == [(r.finish_s or 0.0) - r.arrival_s for r in requests]


def test_a_request_longer_than_the_cache_is_rejected_and_counted() -> None:
    done = serve(trace((0.0, 10, 5), (1.0, 100_000, 5), (2.0, 10, 1)))
    told, table = row(done), figures(done.requests)
    assert (told["requests"], told["rejected"]) == (3, 1)
    assert told["attainment"] == pytest.approx(2 / 3)
    assert table["rejected"].tolist() == [False, True, False]
    assert np.isnan(table["ttft_s"]).tolist() == [False, True, False]
    assert np.isnan(table["tpot_s"]).tolist() == [False, True, True]


def test_a_row_adds_up() -> None:
    told = row(serve(burst(100, 0.05)))
    assert (told["input_tokens"], told["output_tokens"], told["mean_replicas"]) == (2000, 3000, 2.0)
    assert told["gpu_hours"] == pytest.approx(2 * 2 * told["elapsed_s"] / 3600)
    assert told["cost_usd"] == pytest.approx(3.0 * told["gpu_hours"])
    work_s = 100 * POOL.step.work_ms(20, 30) / 1000
    assert told["load"] == pytest.approx(work_s / 2 / told["elapsed_s"])
    assert told["load"] < told["busy"] <= 1
    assert told["ttft_s"]["p50"] <= told["ttft_s"]["p90"] <= told["ttft_s"]["p99"]


def test_a_fleet_without_a_price_has_no_cost() -> None:
    free = replace(POOL, price_usd_per_gpu_hour=0.0)
    told = row(run(burst(3), FixedFleet((free,), TARGET)))
    assert told["cost_usd"] is None and told["usd_per_million_tokens"] is None


@pytest.mark.parametrize("name", ROUTERS)
def test_a_seed_repeats_a_run(name: str) -> None:
    requests = burst(200, 0.01)
    keys, fleet = np.arange(200, dtype=np.int32), FixedFleet((POOL,) * 3, TARGET, name, seed=5)
    again = [run(requests, fleet, sessions=keys, prefixes=keys).requests["replica"].tolist() for _ in range(2)]
    assert again[0] == again[1] and set(again[0]) == {0, 1, 2}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_serves_everybody(name: str) -> None:
    done = serve(burst(300, 0.02), scheduler=name)
    assert row(done)["scheduler"] == name
    assert (done.requests["generated"] == 30).all() and (done.replicas["used_blocks"] == 0).all()


def test_seeds_differ() -> None:
    first, second = (serve(burst(50, 0.01), 3, router="random", seed=seed).requests["replica"] for seed in (1, 2))
    assert (first != second).any()


def test_keys_reach_the_router() -> None:
    keys = np.arange(60, dtype=np.int32) % 3 + 1
    done = run(burst(60), FixedFleet((POOL,) * 4, TARGET, "session-affinity"), sessions=keys)
    assert all(len(set(done.requests["replica"][keys == key])) == 1 for key in (1, 2, 3))


def test_shared_beginnings_are_computed_once() -> None:
    keys, shared = np.ones(50, np.int32), np.full(50, 16, np.int32)
    fleet = FixedFleet((POOL,), TARGET)
    told = [row(run(burst(50, 0.1), fleet, prefixes=keys, prefix_tokens=n)) for n in (shared, None)]
    assert [one["prefix_hit_rate"] for one in told] == [pytest.approx(49 * 16 / 1000), 0.0]
    assert told[0]["load"] < told[1]["load"] and told[0]["ttft_s"]["mean"] < told[1]["ttft_s"]["mean"]


def test_a_fleet_that_looks_nothing_up_has_no_hit_rate() -> None:
    assert row(run(burst(3), FixedFleet((replace(POOL, prefix_caching=False),), TARGET)))["prefix_hit_rate"] is None


def test_progress_ends_at_the_number_of_requests() -> None:
    heard: list[int] = []
    run(burst(40_000, 1.0), FixedFleet((POOL,), TARGET), heard.append)
    assert heard == [32768, 40_000]


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(ValueError, match="no router 'best'"):
        serve(burst(1), router="best")
    with pytest.raises(ValueError, match="session-affinity needs a session for each request"):
        serve(burst(1), router="session-affinity")
    with pytest.raises(ValueError, match="no scheduler 'best'"):
        serve(burst(1), scheduler="best")
    with pytest.raises(ValueError, match="exceeds max_batched_tokens"):
        run(burst(1), FixedFleet((replace(POOL, max_num_seqs=64),), TARGET))
