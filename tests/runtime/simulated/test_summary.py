"""The rows of a summary add up, and a service that was not used divides by nothing."""

from __future__ import annotations

import json

import pytest

from runtime.simulated.summary import pools, racks, summarise
from tests.runtime.simulated.fleets import finish, mixed, rack, run, service, target, trace, world


def test_a_row_follows_from_its_account_and_outcomes() -> None:
    """Two replicas of two GPUs at 3 $ per GPU and hour, 100 requests of 64 and 32 tokens."""
    fleet = run(finish(world(service(active=2), workload=trace(1.0, 100))), 100.0)
    row = summarise(fleet)[0]
    hours = (fleet.now_s - fleet.workload.start_s) / 3600
    assert row["elapsed_s"] == pytest.approx(hours * 3600)
    assert row["gpu_hours"] == pytest.approx(4 * hours)
    assert row["cost_usd"] == pytest.approx(12 * hours)
    assert row["usd_per_million_tokens"] == pytest.approx(12 * hours / (100 * 96) * 1e6)
    assert row["mean_replicas"] == pytest.approx(2)
    assert (row["requests"], row["rejected"], row["lost"], row["attainment"]) == (100, 0, 0, 1.0)


def test_an_unused_service_has_costs_but_no_attainment() -> None:
    row = summarise(run(world(), 60.0))[0]
    assert row["cost_usd"] > 0
    assert row["attainment"] is row["attainment_strict"] is row["usd_per_million_tokens"] is None
    assert row["ttft_s"] == {"p50": None, "p90": None, "p99": None}


def test_before_any_time_has_passed_there_is_a_row_for_every_service() -> None:
    rows = summarise(world(service("chat"), service("code")))
    assert [row["service"] for row in rows] == ["chat", "code"]
    assert all(row["mean_replicas"] == 0 for row in rows)


def test_spares_and_moves_are_told_apart() -> None:
    fleet = run(target(world(service(active=1)), active=1, standby=1), 400.0)
    run(target(target(fleet, active=2), active=1), 400.0)
    row = summarise(fleet)[0]
    assert row["standby_gpu_hours"] == pytest.approx(2 * 400 / 3600, rel=0.01)
    assert (row["scale_ups"], row["scale_downs"]) == (1, 1)


def test_pools_and_racks_have_rows_of_their_own() -> None:
    fleet = run(world(mixed(rack="rack"), racks=[rack(gpus=6)]), 3600.0)
    rows = json.loads(json.dumps([*pools(fleet), *racks(fleet)]))
    assert [(row["service"], row["pool"]) for row in rows[:2]] == [("chat", "fast"), ("chat", "slow")]
    assert rows[0]["gpu_hours"] == rows[2]["used_gpu_hours"] == pytest.approx(2.0)
    assert (rows[1]["cost_usd"], rows[2]["idle_cost_usd"]) == (0.0, pytest.approx(3.0))
    assert racks(world()) == []


def test_a_summary_is_json() -> None:
    assert json.loads(json.dumps(summarise(finish(world(workload=trace(1.0, 10))))))[0]["requests"] == 10
