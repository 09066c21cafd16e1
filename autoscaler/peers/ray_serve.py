"""Ray Serve's autoscaling: ongoing requests against a target per replica, and a change only once it has lasted.

Formulas from reference peers 7 with corrections R1 to R6. The policy is pure: it takes the memory of the current
direction and gives a new one. Bounds are applied outside of it, as upstream does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.peers.rule import FleetSignals, Terms

LOOK_BACK_S = 30.0
PUSH_S = 10.0
EPSILON_S = 1e-6
"""Added to a waiting time, so that a delay of ten ticks is not missed by a rounding of the clock."""


@dataclass(frozen=True, slots=True)
class Config:
    """``target`` ongoing requests per replica; factors on the step; seconds before a change.

    ``zero_delay_s`` None is ``down_delay_s``.
    """

    target: float = 2.0
    up_factor: float = 1.0
    down_factor: float = 1.0
    up_delay_s: float = 30.0
    down_delay_s: float = 600.0
    zero_delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Since when the wish has had one direction: 1 up, -1 down, 0 none."""

    direction: int = 0
    since_s: float = 0.0


def scaled(desired: float, current: int, up_factor: float, down_factor: float) -> int:
    """The step from ``current`` towards ``desired`` by a factor; one down where rounding would swallow it (R3)."""
    factor = up_factor if desired > current else down_factor
    result = math.ceil(current + factor * (desired - current))
    return current - 1 if math.ceil(desired) < current == result else result


def delayed(config: Config, memory: Memory, now_s: float, desired: int, goal: int) -> tuple[int, Memory]:
    """The goal until ``desired`` has lasted for its delay (R1); above one replica nothing goes below one (R2)."""
    direction = (desired > goal) - (desired < goal)
    if direction == 0:
        return goal, Memory()
    if memory.direction != direction:
        memory = Memory(direction, now_s)
    if now_s - memory.since_s + EPSILON_S < _delay_s(config, direction, goal):
        return goal, memory
    lowest = 1 if goal > 1 else 0
    return max(desired, lowest), Memory()


def _delay_s(config: Config, direction: int, goal: int) -> float:
    if direction > 0:
        return config.up_delay_s
    return config.down_delay_s if goal > 1 or config.zero_delay_s is None else config.zero_delay_s


def decide(config: Config, memory: Memory, now_s: float, wanted: float, current: int, goal: int) -> tuple[int, Memory]:
    """Any policy's ``wanted`` count through the factors and the delays."""
    return delayed(config, memory, now_s, scaled(wanted, current, config.up_factor, config.down_factor), goal)


def queue_policy(
    config: Config, memory: Memory, now_s: float, requests: float, current: int, goal: int
) -> tuple[int, Memory]:
    """The default policy: replicas for ``requests`` ongoing over all of them.

    From no running replica it grows at once, without delay and bounds, and without requests keeps its goal (R4).
    """
    if current == 0:
        return (max(math.ceil(config.up_factor), goal), memory) if requests > 0 else (goal, memory)
    return decide(config, memory, now_s, requests / config.target, current, goal)


def gang_aligned(count: int, gang: int, low: int, high: int) -> int:
    """Rounded up to whole gangs, 0 stays 0, then within the bounds (R5)."""
    return min(max(math.ceil(count / gang) * gang, low), high)


Series = Sequence[tuple[float, float]]


def summed_mean(series: Sequence[Series], last_window_s: float, aligned: bool = True) -> float:
    """Time-weighted mean of the sum of step functions [(time, value)], the last value held for ``last_window_s`` more.

    ``aligned`` starts it where all of them have reported (R6), otherwise where the first has. Every series must have
    a value.
    """
    firsts = [one[0][0] for one in series]
    start = max(firsts) if aligned else min(firsts)
    moments = sorted({start, *(when for one in series for when, _ in one if when > start)})
    ends = [*moments[1:], moments[-1] + last_window_s]
    area = sum((end - begin) * sum(_at(one, begin) for one in series) for begin, end in zip(moments, ends, strict=True))
    return area / (ends[-1] - start)


def _at(series: Series, when: float) -> float:
    return next((value for at, value in reversed(series) if at <= when), 0.0)


class RayServe:
    """The default policy on requests in and before the engines, averaged over 30 s.

    Upstream decides ten times a second on what is pushed every 10 s; here it decides at each push, and its delays of 30
    and 600 s are whole numbers of those.
    """

    interval_s = PUSH_S
    KNOB: tuple[str, tuple[float, ...]] = ("target", (2.0, 4.0, 8.0, 16.0, 32.0, 64.0))

    def __init__(self, terms: Terms, target: float = 2.0) -> None:
        self.name = "ray-serve"
        self._terms = terms
        self._config = Config(target=target)
        self._memory = Memory()
        self._ongoing: tuple[tuple[float, float], ...] = ()

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted now, within the terms' bounds."""
        now_s = signals.at_s
        ongoing = float(signals.queued + sum(one.running + one.waiting for one in signals.ready))
        self._ongoing = (*(entry for entry in self._ongoing if entry[0] > now_s - LOOK_BACK_S), (now_s, ongoing))
        requests = summed_mean([self._ongoing], PUSH_S)
        goal, self._memory = queue_policy(
            self._config, self._memory, now_s, requests, len(signals.ready), signals.desired
        )
        return min(max(goal, self._terms.min_replicas), self._terms.max_replicas)
