"""A run: every request is played to its last token, alike for everybody, and the same again for the same seed."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Contender, Ours, Peer
from autoscaler.backtest.run import Result, run
from autoscaler.peers.keda import KedaSlo
from runtime.fleet import PoolTarget
from runtime.simulated.world import World
from tests.autoscaler.backtest.cases import START_S, Fixed, case, requests, trace
from tests.autoscaler.cases import POOL

FIELDS = {
    *("policy", "attainment", "attainment_strict", "ttft_s", "tpot_s", "requests", "rejected", "gpu_hours"),
    *("standby_gpu_hours", "cost_usd", "usd_per_million_tokens", "mean_replicas", "scale_ups", "scale_downs", "wall_s"),
}
"""DESIGN 5: the JSON of a backtest."""


def fixed(of: Case, *wanted: int, interval_s: float = 15.0, lag_s: float = 0.0) -> Peer:
    return Peer(of, Fixed(wanted or (2,), interval_s), lag_s)


def told(result: Result) -> dict[str, Any]:
    """What a run says but for how long it took."""
    return {name: value for name, value in result.row.items() if name != "wall_s"}


def contenders(of: Case) -> list[Contender]:
    return [Ours(of), Peer(of, KedaSlo(of.terms())), fixed(of, 1, 4, 2, interval_s=120.0)]


def test_rows_carry_the_field_names_of_the_backtests_json() -> None:
    for contender in contenders(of := case(trace(120.0))):
        row = run(of, contender).row
        assert row.keys() >= FIELDS
        assert row["policy"] == contender.name
        assert row["ttft_s"].keys() == row["tpot_s"].keys() == {"p50", "p90", "p99"}


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_same_seed_gives_the_same_run(index: int) -> None:
    first, again = (run(of := case(seed=3), contenders(of)[index]) for _ in range(2))
    assert told(first) == told(again)
    assert first.timeline == again.timeline


def test_another_seed_draws_other_lead_times() -> None:
    first, other = (run(of := case(seed=seed), fixed(of, 5)) for seed in (1, 2))
    assert first.row["mean_replicas"] != other.row["mean_replicas"]


def test_no_request_is_lost_whatever_a_contender_does() -> None:
    of = case()
    for contender in [*contenders(of), fixed(of, 8, 1, 8, 1, 0, 8, interval_s=60.0)]:
        row = run(of, contender).row
        assert (row["requests"], row["lost"]) == (of.trace.requests, 0)


def test_a_trace_that_ends_is_run_to_its_last_request() -> None:
    """The last request comes at 100 s and takes 10,000 steps of 16.6 ms and more."""
    of = case(requests((0.0, 100, 10), (100.0, 100, 10_000)))
    result = run(of, fixed(of))
    assert result.row["requests"] == 2
    assert result.row["elapsed_s"] > 100 + 10_000 * POOL.step.a_ms / 1000
    assert result.timeline[-1][0] <= result.row["elapsed_s"]


def test_what_fits_no_replica_is_rejected_and_counted() -> None:
    of = case(requests((0.0, 100, 10), (1.0, 400_000, 10)))
    row = run(of, fixed(of)).row
    assert (row["requests"], row["rejected"], row["attainment"]) == (2, 1, 0.5)


class Watcher:
    """Leaves the fleet alone and notes when it was asked and what it saw first."""

    name = "watcher"

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.asked_s: list[float] = []
        self.first: list[Any] = []

    def target(self, world: World) -> PoolTarget | None:
        self.asked_s.append(world.now_s - START_S)
        self.first = self.first or [world.view(""), world.arrived]
        return None


@pytest.mark.parametrize("interval_s", [15.0, 2.0, 45.0, 0.1, 0.7])
def test_a_contender_is_asked_at_its_own_interval(interval_s: float) -> None:
    of, watcher = case(trace(200.0)), Watcher(interval_s)
    result = run(of, watcher)
    asked = [interval_s * (i + 1) for i in range(len(watcher.asked_s))]
    assert watcher.asked_s == pytest.approx(asked, abs=1e-5)
    assert len(asked) >= 200 / interval_s - 1
    assert result.timeline[:3] == tuple((60.0 * i, of.first_replicas(), of.first_replicas()) for i in (1, 2, 3))


def test_everybody_starts_with_the_same_fleet_and_traffic() -> None:
    of = case()
    one, other = Watcher(15.0), Watcher(15.0)
    run(of, one)
    run(of, other)
    assert one.first == other.first


def test_a_contender_that_does_nothing_pays_for_the_first_fleet() -> None:
    of = case()
    row = run(of, Watcher(15.0)).row
    hours = of.first_replicas() * row["elapsed_s"] / 3600
    assert row["mean_replicas"] == pytest.approx(of.first_replicas())
    assert row["gpu_hours"] == pytest.approx(hours * POOL.gpus_per_replica)
    assert row["cost_usd"] == pytest.approx(hours * POOL.replica_usd_per_hour)
    assert (row["scale_ups"], row["scale_downs"]) == (0, 0)


def test_the_timeline_tells_what_served_and_what_was_wanted() -> None:
    """Asked every minute: two, five from 120 s on; a start takes two minutes in the median."""
    of = case(trace(600.0, rps=2.0, growth=1.0))
    timeline = run(of, fixed(of, 2, 5, interval_s=60.0)).timeline
    assert [at_s for at_s, _, _ in timeline] == [60.0 * (i + 1) for i in range(len(timeline))]
    assert [wanted for _, _, wanted in timeline[:3]] == [2, 5, 5]
    assert timeline[1][1] < 5 == timeline[-1][1]


def test_progress_grows_to_the_whole() -> None:
    shares: list[float] = []
    run(of := case(trace(600.0)), fixed(of), shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2 and shares[-1] == 1.0
