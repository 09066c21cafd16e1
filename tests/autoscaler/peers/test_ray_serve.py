"""Ray Serve: every golden case, and what the rule does with a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from hypothesis import given as prop
from hypothesis import strategies as st

from autoscaler.peers.ray_serve import (
    Config,
    Memory,
    RayServe,
    decide,
    delayed,
    gang_aligned,
    queue_policy,
    scaled,
    summed_mean,
)
from tests.autoscaler.peers.fleets import TERMS, replica, signals
from tests.autoscaler.peers.golden_llm import Case, check, params
from tests.autoscaler.peers.tally import tally

CANNOT_PASS: dict[str, str] = {}

Input = Mapping[str, Any]


def replay_policy(given: Input) -> Input:
    config, memory, results = Config(**given["config"]), Memory(), []
    for at_s, requests, running, goal in given["steps"]:
        result, memory = queue_policy(config, memory, at_s, requests, running, goal)
        results.append(result)
    return {"results": results}


class Flow:
    """A deployment under load or idle, ticking; counts the decisions before its goal changes."""

    def __init__(self, given: Input) -> None:
        self.config = Config(**given["config"])
        self.tick_s = given["tick_s"]
        self.loads = {True: given["overload"], False: 0}
        self.fixed = {True: 3, False: 0} if given["policy"] == "fixed3" else None
        self.memory, self.tick, self.goal = Memory(), 0, 1

    def step(self, busy: bool) -> int:
        now_s = self.tick * self.tick_s
        self.tick += 1
        if self.fixed:
            result, self.memory = decide(self.config, self.memory, now_s, self.fixed[busy], self.goal, self.goal)
        else:
            result, self.memory = queue_policy(self.config, self.memory, now_s, self.loads[busy], self.goal, self.goal)
        return result

    def ticks_to_change(self, busy: bool) -> int:
        for ticks in count():
            result = self.step(busy)
            if result != self.goal:
                self.goal = result
                return ticks
        raise AssertionError("count never ends")

    def ticks_after_reset(self, goal: int, busy: bool, full: int) -> int:
        """Half the delay, one decision the other way, and then the ticks until the change."""
        self.goal, self.memory = goal, Memory()
        for _ in range(full // 2):
            assert self.step(busy) == goal
        assert self.step(not busy) == goal
        return self.ticks_to_change(busy)


def replay_delay_flow(given: Input) -> Input:
    flow, got = Flow(given), {}
    got["up_after_ticks"] = flow.ticks_to_change(busy=True)
    got["up_to"] = flow.goal
    got["down_after_ticks"] = flow.ticks_to_change(busy=False)
    got["down_to"] = flow.goal
    got["zero_after_ticks"] = flow.ticks_to_change(busy=False)
    for name, goal in (("up", 1), ("down", 2), ("zero", 1)):
        got[f"reset_{name}_after_ticks"] = flow.ticks_after_reset(goal, name == "up", got[f"{name}_after_ticks"])
    return got


def replay_fixed_policy(given: Input) -> Input:
    config, current = Config(**given["config"]), given["current"]
    return {"replicas": decide(config, Memory(), 0.0, given["desired"], current, current)[0]}


def replay_delay(given: Input) -> Input:
    config, memory, results = Config(**given["config"]), Memory(), []
    for at_s, desired, _, goal in given["steps"]:
        result, memory = delayed(config, memory, at_s, desired, goal)
        results.append(result)
    return {"results": results}


def replay_delay_first(given: Input) -> Input:
    config, memory, at_s = Config(**given["config"]), Memory(), 0.0
    while True:
        result, memory = delayed(config, memory, at_s, given["desired"], given["goal"])
        if result != given["goal"]:
            return {"fires_s": at_s}
        at_s += given["period_s"]


def replay_mean(given: Input) -> Input:
    series = [[(float(at), float(value)) for at, value in one] for one in given["series"]]
    aligned, unaligned = (summed_mean(series, given["last_window_s"], aligned=flag) for flag in (True, False))
    return {"aligned": aligned, "unaligned": unaligned, "gain": aligned - unaligned}


REPLAYS = {
    "policy": replay_policy,
    "delay_flow": replay_delay_flow,
    "factor": lambda given: {"replicas": scaled(**given)},
    "fixed_policy": replay_fixed_policy,
    "delay": replay_delay,
    "delay_first": replay_delay_first,
    "gang": lambda given: {"replicas": gang_aligned(given["decision"], given["gang"], given["min"], given["max"])},
    "series_mean": replay_mean,
}


@pytest.mark.parametrize("case", params("ray-serve", CANNOT_PASS))
def test_golden(case: Case) -> None:
    check(case, REPLAYS)


def test_no_case_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    tally(capsys, "ray-serve", 39, CANNOT_PASS)


@prop(st.integers(1, 50), st.floats(0, 100), st.floats(0.1, 1), st.floats(0.1, 1))
def test_a_step_goes_towards_the_wish_and_not_past_it(current: int, desired: float, up: float, down: float) -> None:
    low, high = sorted((current, desired))
    assert low - 1 < scaled(desired, current, up, down) < high + 1


@prop(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_a_mean_lies_within_its_values(values: list[float]) -> None:
    got = summed_mean([list(enumerate(values))], last_window_s=1.0)
    assert got == pytest.approx(sum(values) / len(values))


def test_growth_waits_thirty_seconds_and_shrinking_ten_minutes() -> None:
    for running, want, first in ((4, 4, 30), (0, 1, 600)):
        rule, fleet = RayServe(TERMS), [replica(running=running)] * 2
        asked = {at: rule.desired(signals(at, 2, fleet)) for at in range(0, 610, 10)}
        assert min(at for at, replicas in asked.items() if replicas != 2) == first
        assert asked[first] == want


def test_requests_outside_the_engines_count() -> None:
    rule = RayServe(TERMS, target=10.0)
    asked = [rule.desired(signals(at, 1, [replica()], queued=25)) for at in range(0, 40, 10)]
    assert asked == [1, 1, 1, 3]


def test_bounds_hold() -> None:
    rule = RayServe(TERMS)
    asked = [rule.desired(signals(at, 1, [replica(running=1000)])) for at in range(0, 40, 10)]
    assert asked[-1] == TERMS.max_replicas


def test_a_fleet_that_is_only_starting_keeps_its_goal() -> None:
    assert RayServe(TERMS).desired(signals(0, 3, [replica(ready=False)] * 3)) == 3
