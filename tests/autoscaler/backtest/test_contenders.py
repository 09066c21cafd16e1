"""Our contender is the daemon; a peer sees what its metrics pipeline would have shown it, and not a second more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Ours, Peer
from autoscaler.backtest.registry import case_for, contender
from autoscaler.backtest.run import run
from autoscaler.peers.rule import FleetSignals, ReplicaSignals
from autoscaler.tuning import tuner
from autoscaler.tuning.knobs import values
from runtime.fleet import PoolTarget
from runtime.simulated.world import World
from tests.autoscaler.backtest.cases import POLICY, START_S, Fixed, case, requests, trace

EVEN = requests(*((0.5 * i, 1000, 100) for i in range(1200)))
"""Two requests a second for ten minutes."""


def shown(of: Case, rule: Fixed, lag_s: float = 0.0) -> list[FleetSignals]:
    """What a rule saw in a run."""
    run(of, Peer(of, rule, lag_s))
    return rule.shown


def without_time(signals: FleetSignals) -> FleetSignals:
    """What was seen, but for when."""
    return replace(signals, at_s=0.0, replicas=tuple(replace(r, age_s=0.0) for r in signals.replicas))


# --- peers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lag_s", "first_s", "age_s"), [(0.0, 15, 0), (15.0, 30, 15), (20.0, 45, 30), (30.0, 45, 30)])
def test_a_peer_sees_nothing_younger_than_its_lag(lag_s: float, first_s: float, age_s: float) -> None:
    """Scrapes come every 15 s, so with 20 s of lag the newest to be had is that of 30 s ago."""
    first = (case().first_replicas(),)
    at_once, late = shown(case(), Fixed(first)), shown(case(), Fixed(first), lag_s)
    assert late[0].at_s == START_S + first_s
    assert [signals.at_s - age_s for signals in late[:20]] == [signals.at_s for signals in at_once[:20]]
    assert [without_time(signals) for signals in late[:20]] == [without_time(signals) for signals in at_once[:20]]


def test_a_quick_peer_sees_each_scrape_until_the_next() -> None:
    signals = shown(case(), Fixed((case().first_replicas(),), interval_s=5.0))
    assert [s.at_s - START_S for s in signals[:4]] == [15.0, 20.0, 25.0, 30.0]
    assert without_time(signals[0]) == without_time(signals[1]) == without_time(signals[2])
    assert without_time(signals[3]) != without_time(signals[2])


def test_before_there_is_a_scrape_a_peer_says_nothing() -> None:
    of = case()
    peer = Peer(of, Fixed(), lag_s=30.0)
    world = of.world()
    peer.scrape(world)
    assert peer.target(world) is None
    world.run_until(START_S + 30)
    assert peer.target(world) == PoolTarget("chat", of.pool.name, 2)


def test_a_replica_that_does_not_serve_shows_its_age_and_nothing_else() -> None:
    """The third is asked for at 15 s and starts for two minutes or so."""
    signals = shown(case(EVEN), Fixed((3,)))
    new = [s.replicas[-1] for s in signals[1:5]]
    assert new == [ReplicaSignals(ready=False, age_s=15.0 * i) for i in range(1, 5)]
    assert all(r.ready and r.running for r in signals[4].replicas[: case(EVEN).first_replicas()])
    assert len(signals[-1].ready) == 3


def test_a_replica_that_drains_is_no_longer_seen() -> None:
    """Its 31st answer takes two out of rotation, which still have requests at the next scrape."""
    signals = shown(case(EVEN), Fixed((3,) * 30 + (1,)))
    assert [len(s.replicas) for s in signals[30:32]] == [3, 1]


def test_a_peer_sees_the_rates_of_the_last_minute() -> None:
    signals = shown(case(EVEN), Fixed((3,)))
    assert signals[20].arrivals_per_s == pytest.approx(2.0, rel=0.02)
    assert signals[20].mean_input_tokens == pytest.approx(1000.0)
    assert signals[20].mean_output_tokens == pytest.approx(100.0)
    assert 0 < (signals[20].tpot_p90_s or 0) <= (signals[20].ttft_p90_s or 0) <= (signals[20].ttft_p99_s or 0)


def test_after_a_quiet_minute_a_peer_sees_none() -> None:
    signals = shown(case(requests((0.0, 100, 10), (20.0, 100, 10), (200.0, 100, 10))), Fixed())
    told = [(s.at_s - START_S, s.arrivals_per_s, s.ttft_p90_s is None, s.tpot_p90_s is None) for s in signals[4:7]]
    assert told == [(75.0, 1 / 60, False, False), (90.0, 0.0, True, True), (105.0, 0.0, True, True)]


def test_a_peer_sees_those_who_wait_for_a_replica() -> None:
    signals = shown(case(EVEN), Fixed((0,)))
    assert signals[2].replicas == () and signals[2].queued > 0


def test_a_peer_is_told_what_it_last_asked_for() -> None:
    signals = shown(of := case(), Fixed((3, 5, 2)))
    assert [s.desired for s in signals[:4]] == [of.first_replicas(), 3, 5, 2]


# --- ours --------------------------------------------------------------------------------------------------------


def played(of: Case, contender: Ours, minutes: int) -> World:
    world = of.world()
    for tick in range(1, 4 * minutes + 1):
        world.run_until(of.start_s + 15.0 * tick)
        target = contender.target(world)
        if target is not None:
            world.set_targets([target])
    return world


def test_ours_follows_the_load_within_the_bounds() -> None:
    of = case(trace(1800.0, rps=4.0, growth=8.0))
    timeline = run(of, Ours(of)).timeline
    assert timeline[0][1] < 4 <= max(wanted for _, _, wanted in timeline) <= 8


def test_ours_acts_even_where_the_policy_only_watches() -> None:
    assert POLICY.mode == "shadow"
    of = case(trace(600.0, rps=20.0))
    assert played(of, Ours(of), 5).accounts[0].scale_ups > 0


def test_ours_learns_from_the_past_that_the_case_knows() -> None:
    """A fortnight of hours that each begin with ten times the load: just before the next, more is held than without."""
    at_s = START_S - np.arange(14 * 1440, 0, -1) * 60.0
    hourly = np.where((at_s % 3600) < 1200, 3.0, 0.3)
    blank = case(trace(3600.0, rps=2.0, growth=1.0))
    taught = replace(blank, past=(at_s, hourly))
    without, knowing = (played(of, Ours(of), 58).replicas.targets["chat"] for of in (blank, taught))
    assert knowing.active + knowing.standby > without.active + without.standby


# --- ours that tunes itself ----------------------------------------------------------------------------------------


def tuned(mode: str) -> Case:
    tuning = {"mode": mode, "every_s": 300.0}
    return case(policy=POLICY.model_validate(POLICY.model_dump(mode="json") | {"tuning": tuning}))


def test_in_auto_ours_searches_in_virtual_time_and_acts_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "LEAST_S", 150.0)
    of = tuned("auto")
    ours = Ours(of)
    run(of, ours)
    assert ours.tuner is not None and ours.tuner.choice is not None
    assert values(ours.tuner.effective(of.acting())) == ours.tuner.choice.knobs
    assert ours.tuner.choice.price.added < 0, "everybody was in time, so misses are cheap"


@pytest.mark.parametrize("mode", ["off", "advise"])
def test_ours_keeps_its_knobs_where_tuning_does_not_act(mode: str) -> None:
    assert Ours(tuned(mode)).tuner is None


def test_a_tuner_starts_with_the_load_of_the_days_before() -> None:
    times = START_S + 60.0 * np.arange(-600.0, 0.0)
    of = replace(tuned("auto"), past=(times, np.full(600, 0.7)))
    ours = Ours(of)
    assert ours.tuner is not None
    assert {moment.erlangs for moment in ours.tuner.moments} == {0.7}
    assert not ours.tuner.due(of.policy)


def test_ours_plays_with_every_pool_and_a_peer_with_the_first() -> None:
    first = case(trace(900.0, rps=12.0)).pool
    cheap = replace(first, name="cheap", price_usd_per_gpu_hour=first.price_usd_per_gpu_hour / 10)
    of = replace(case(trace(900.0, rps=12.0)), more_pools=(cheap,))
    ours = run(case_for("leadtime", of), contender("leadtime", of))
    hpa = run(case_for("hpa", of), contender("hpa", of))
    assert ours.row["pools"] == [first.name, "cheap"] and hpa.row["pools"] == [first.name]
    assert ours.row["cost_usd"] < 0.7 * hpa.row["cost_usd"]
    assert ours.row["requests"] == hpa.row["requests"] and ours.row["rejected"] == 0
