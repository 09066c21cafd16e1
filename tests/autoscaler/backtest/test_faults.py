"""Faults: each does to fleet, traffic and forecast what it says, and ours never scales in on what it cannot see."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from autoscaler.backtest import faults
from autoscaler.backtest.contenders import Ours
from autoscaler.backtest.faults import Fault, Inverted
from autoscaler.backtest.run import run
from runtime.simulated.world import World
from tests.autoscaler.backtest.cases import case, trace

CASE = case(trace(seconds=1200.0))
START_S = CASE.start_s


def seen(at_s: float, fault: Fault) -> list[tuple[int, int]]:
    """(serving, wanted) at a few moments after the fault, by what a script can look at."""
    noted: list[tuple[int, int]] = []

    def look(world: World) -> None:
        noted.append((int(world.replicas.rotation.counts[0]), world.now_s > 0))

    looks = [Fault(at_s + after, look) for after in (-15.0, 20.0)]
    run(CASE, Ours(CASE), script=[fault, *looks])
    return noted


def test_deaths_take_that_share_out_of_rotation_at_once() -> None:
    before, after = seen(300.0, faults.deaths(300.0, 0.5))
    assert after[0] < before[0]


def test_nothing_scales_in_while_it_is_dark() -> None:
    result = run(CASE, Ours(CASE), script=[faults.blackout(300.0, 400.0)])
    wanted = [w for since_s, _, w in result.timeline if 315 <= since_s <= 700]
    assert all(after >= before for before, after in pairwise(wanted))


def test_while_the_pool_is_sold_out_nothing_more_comes() -> None:
    flood = replace(CASE, trace=faults.step(CASE.trace, 300.0, 600.0, 6))
    free = run(flood, Ours(flood)).timeline
    none = run(flood, Ours(flood), script=[faults.sold_out(0.0, 3600.0, CASE.pool.name)]).timeline
    assert max(serving for _, serving, _ in none) < max(serving for _, serving, _ in free)


def test_a_step_repeats_what_comes_in_it_and_longer_prompts_leave_the_rate_alone() -> None:
    trace = CASE.trace
    inside = ((trace.arrival_s >= 100) & (trace.arrival_s < 200)).sum()
    stepped, stretched = faults.step(trace, 100.0, 200.0, 5), faults.longer(trace, 100.0, 3.0)
    assert stepped.requests == trace.requests + 4 * inside
    assert (np.diff(stepped.arrival_s) >= 0).all()
    late = trace.arrival_s >= 100
    assert (stretched.input_tokens[late] == 3 * trace.input_tokens[late]).all()
    assert (stretched.input_tokens[~late] == trace.input_tokens[~late]).all()


def test_an_inverted_forecast_is_a_forecast_and_says_the_opposite() -> None:
    times = START_S + 60.0 * np.arange(1, 600)
    rising = np.linspace(1.0, 5.0, len(times))
    told = []
    for make in (Inverted, Inverted.__base__):
        forecaster = make("chat")
        forecaster.load(times, rising)
        told.append(forecaster.forecast(float(times[-1])))
    wrong, right = told
    assert wrong.quantile(600.0, 0.9) < 3.0 < right.quantile(600.0, 0.9)
    assert (np.diff(np.array(wrong.values), axis=1) >= 0).all()
