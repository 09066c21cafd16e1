"""How fast the Kubernetes HPA lets a fleet follow its metrics: stabilisation windows, rates, and their memory.

Pure: the memory goes in and comes out, the time is passed in. A slot of a memory whose entry is stale is used again,
as upstream does, so its order is upstream's too. Formulas: ``horizontal.go``, Kubernetes 1.36; peers.md 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

Entry = TypeVar("Entry")


class Select(StrEnum):
    """Which of several policies rules: the most change, the least, or no change in this direction."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Step:
    """A limit: ``value`` pods, or percent of the replicas at the start of the period, per ``period_s``."""

    kind: str
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of a ``behavior``; ``window_s`` is its stabilisation window."""

    steps: tuple[Step, ...]
    window_s: float = 0.0
    select: Select = Select.MAX


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions; the defaults are those that the API server fills in."""

    up: Rules = Rules((Step("Pods", 4, 15.0), Step("Percent", 100, 15.0)))
    down: Rules = Rules((Step("Percent", 100, 15.0),), window_s=300.0)


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """A scale that happened: ``change`` replicas, always positive."""

    change: int
    at_s: float
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the metrics asked for, before any window."""

    replicas: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What an HPA remembers from sync to sync."""

    log: tuple[Recommendation, ...] = ()
    ups: tuple[ScaleEvent, ...] = ()
    downs: tuple[ScaleEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Limited:
    """Replicas after the limits, and the reason that the HPA's condition ``ScalingLimited`` would show."""

    replicas: int
    reason: str


def sync(
    current: int, wanted: int, least: int, most: int, behavior: Behavior | None, memory: Memory, now_s: float
) -> tuple[Limited, Memory]:
    """One pass from the metrics' answer to the replicas to set, and the memory after it.

    Out of its bounds a fleet goes straight back to them. The first pass remembers the replicas it found, so a
    fresh controller does not shrink before its window is over.
    """
    log = memory.log or (Recommendation(current, now_s),)
    memory = replace(memory, log=log)
    if not least <= current <= most:
        limited = Limited(most, "TooManyReplicas") if current > most else Limited(least, "TooFewReplicas")
    elif behavior is None:
        stable, log = stabilise_plain(wanted, log, 300.0, now_s)
        limited = limit_plain(current, stable, least, most)
    else:
        stable, log = stabilise(current, wanted, log, behavior.up.window_s, behavior.down.window_s, now_s)
        limited = limit_rate(current, stable, least, most, behavior, memory.ups, memory.downs, now_s)
    return limited, _remember(replace(memory, log=log), behavior, limited.replicas - current, now_s)


def stabilise_plain(
    wanted: int, log: Sequence[Recommendation], window_s: float, now_s: float
) -> tuple[int, tuple[Recommendation, ...]]:
    """The highest recommendation of the window, and the log with the new one."""
    fresh = [entry.replicas for entry in log if now_s - entry.at_s <= window_s]
    stale = [now_s - entry.at_s > window_s for entry in log]
    return max([wanted, *fresh]), _put(log, stale, Recommendation(wanted, now_s))


def stabilise(
    current: int, wanted: int, log: Sequence[Recommendation], up_window_s: float, down_window_s: float, now_s: float
) -> tuple[int, tuple[Recommendation, ...]]:
    """Up only to the lowest recommendation of the up window, down only to the highest of the down window."""
    ages = [now_s - entry.at_s for entry in log]
    up = min([wanted, *(entry.replicas for entry, age in zip(log, ages, strict=True) if age < up_window_s)])
    down = max([wanted, *(entry.replicas for entry, age in zip(log, ages, strict=True) if age < down_window_s)])
    stale = [age > up_window_s and age > down_window_s for age in ages]
    return min(max(current, up), down), _put(log, stale, Recommendation(wanted, now_s))


def limit_plain(current: int, wanted: int, least: int, most: int) -> Limited:
    """Bounds and the limit without ``behavior``: at most double, or 4."""
    ceiling = max(2 * current, 4)
    if wanted < least:
        return Limited(least, "TooFewReplicas")
    if wanted > min(most, ceiling):
        return Limited(min(most, ceiling), "ScaleUpLimit" if most > ceiling else "TooManyReplicas")
    return Limited(wanted, "DesiredWithinRange")


def limit_rate(
    current: int,
    wanted: int,
    least: int,
    most: int,
    behavior: Behavior,
    ups: Sequence[ScaleEvent],
    downs: Sequence[ScaleEvent],
    now_s: float,
) -> Limited:
    """Bounds and the rates of ``behavior``, given the scales that happened lately."""
    if wanted > current:
        ceiling = max(current, up_limit(current, behavior.up, ups, downs, now_s))
        if wanted > min(most, ceiling):
            return Limited(min(most, ceiling), "ScaleUpLimit" if most > ceiling else "TooManyReplicas")
    if wanted < current:
        floor = min(current, down_limit(current, behavior.down, ups, downs, now_s))
        if wanted < max(least, floor):
            return Limited(max(least, floor), "ScaleDownLimit" if least < floor else "TooFewReplicas")
    return Limited(wanted, "DesiredWithinRange")


def up_limit(current: int, rules: Rules, ups: Sequence[ScaleEvent], downs: Sequence[ScaleEvent], now_s: float) -> int:
    """Most replicas that the rules allow now."""

    def allowed(step: Step) -> int:
        base = _at_period_start(current, step, ups, downs, now_s)
        return base + step.value if step.kind == "Pods" else math.ceil(base * (1 + step.value / 100))

    return _select(current, rules, allowed, most_change=max, least_change=min)


def down_limit(current: int, rules: Rules, ups: Sequence[ScaleEvent], downs: Sequence[ScaleEvent], now_s: float) -> int:
    """Fewest replicas that the rules allow now."""

    def allowed(step: Step) -> int:
        base = _at_period_start(current, step, ups, downs, now_s)
        return base - step.value if step.kind == "Pods" else int(base * (1 - step.value / 100))

    return _select(current, rules, allowed, most_change=min, least_change=max)


def changed(events: Sequence[ScaleEvent], period_s: float, now_s: float) -> int:
    """Replicas changed within the period; an event exactly as old as the period is out."""
    return sum(event.change for event in events if now_s - event.at_s < period_s)


def store(events: Sequence[ScaleEvent], change: int, rules: Rules | None, now_s: float) -> tuple[ScaleEvent, ...]:
    """The memory of one direction with a new scale in it; without rules nobody would ask, so nothing is kept."""
    if rules is None:
        return tuple(events)
    longest_s = max(step.period_s for step in rules.steps)
    marked = [replace(event, outdated=event.outdated or now_s - event.at_s > longest_s) for event in events]
    return _put(marked, [event.outdated for event in marked], ScaleEvent(change, now_s))


def _remember(memory: Memory, behavior: Behavior | None, change: int, now_s: float) -> Memory:
    if behavior is None or change == 0:
        return memory
    if change > 0:
        return replace(memory, ups=store(memory.ups, change, behavior.up, now_s))
    return replace(memory, downs=store(memory.downs, -change, behavior.down, now_s))


def _at_period_start(
    current: int, step: Step, ups: Sequence[ScaleEvent], downs: Sequence[ScaleEvent], now_s: float
) -> int:
    return current - changed(ups, step.period_s, now_s) + changed(downs, step.period_s, now_s)


def _select(
    current: int,
    rules: Rules,
    allowed: Callable[[Step], int],
    *,
    most_change: Callable[[list[int]], int],
    least_change: Callable[[list[int]], int],
) -> int:
    if rules.select is Select.DISABLED:
        return current
    choose = least_change if rules.select is Select.MIN else most_change
    return choose([allowed(step) for step in rules.steps])


def _put(entries: Sequence[Entry], stale: Sequence[bool], entry: Entry) -> tuple[Entry, ...]:
    """The new entry in place of the last stale one, else at the end."""
    if True not in stale:
        return (*entries, entry)
    last = len(stale) - 1 - list(reversed(stale)).index(True)
    return (*entries[:last], entry, *entries[last + 1 :])
