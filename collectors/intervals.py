"""What each replica did between two scrapes: differences of its counters, and when they mean nothing.

A counter that falls says that the engine restarted, or that something else answers under its name. After a
restart the new value is what it counted since: a true lower bound, so it counts, from zero, like that of a
replica which is new. But a shard that left a sum (750,000 after 1,000,000) looks alike and would be a burst
that never was. So a count from zero is believed only up to ``PLAUSIBLE_TIMES`` the rate of the busiest
replica with an unbroken interval, or ``PLAUSIBLE_PER_S`` where that is more; beyond it the replica's
interval is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.histograms import growth
from collectors.observation import Gap, Histogram, ReplicaSample, Scrape

COUNTERS = (
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "completed",
    "aborted",
    "preemptions",
    "rejected",
    "iterations",
)
GAUGES = ("running", "waiting")
HISTOGRAMS = ("ttft", "itl", "tpot", "output_lengths")

NOTHING_NEW = "no new sample since the earlier scrape"

PLAUSIBLE_TIMES = 3.0
PLAUSIBLE_PER_S = 20.0
"""Requests per second that one replica may well complete: an 8B model with answers of 100 tokens does."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One replica over ``seconds``: growth of what it told at both ends; a name it did not tell is absent."""

    seconds: float
    growth: Mapping[str, float]
    histograms: Mapping[str, Histogram] = field(default_factory=dict)

    def per_s(self, *names: str) -> float | None:
        """Rate of the sum of those told; None if the first is not."""
        if names[0] not in self.growth:
            return None
        return sum(self.growth.get(name, 0.0) for name in names) / self.seconds


def intervals(
    expected: Iterable[str], previous: Scrape | None, current: Scrape
) -> tuple[dict[str, Interval], tuple[Gap, ...]]:
    """The interval of each expected replica that has one, and a gap for each other and each doubtful one.

    A replica whose gap says ``NOTHING_NEW`` was seen: its source looks at it less often than we tick.
    """
    named = {gap.subject for gap in current.gaps}
    found: dict[str, Interval] = {}
    fresh: dict[str, tuple[Interval, str]] = {}
    gaps: list[Gap] = []
    for name in expected:
        now = current.replicas.get(name)
        if now is None or now.running is None or now.waiting is None:
            gaps += [] if name in named else [Gap(name, "not seen")]
            continue
        result = _interval(now, previous)
        if isinstance(result, str):
            gaps.append(Gap(name, result))
        elif isinstance(result, Interval):
            found[name] = result
        else:
            fresh[name] = result
    bound = _bound(found.values())
    for name, (interval, reason) in fresh.items():
        if (interval.per_s("completed", "aborted") or 0.0) <= bound:
            found[name] = interval
            gaps += [Gap(name, reason)] if reason else []
        else:
            gaps.append(Gap(name, "its counters start at values that it cannot have reached since"))
    return found, tuple(gaps)


def _interval(now: ReplicaSample, previous: Scrape | None) -> Interval | tuple[Interval, str] | str:
    """An interval; or one that counts from zero, with a reason to name; or the reason why there is none."""
    if previous is None:
        return "no earlier scrape to compare with"
    before = previous.replicas.get(now.replica)
    if before is None:
        if any(gap.subject == now.replica for gap in previous.gaps):
            return "not seen at the earlier scrape"
        before = ReplicaSample(now.replica, previous.at_s)
        return _from_zero(now, before, "") if now.at_s > before.at_s else NOTHING_NEW
    if now.at_s <= before.at_s:
        return NOTHING_NEW
    if before.running is None or before.waiting is None or (now.completed is None) != (before.completed is None):
        return "lacks a signal at one of its two scrapes"
    if _fell(now, before):
        return _from_zero(now, before, "restarted: counted since its restart only")
    known = _told(now, before, (*COUNTERS, *GAUGES))
    return Interval(now.at_s - before.at_s, known, dict(_grown(now, before)))


def _from_zero(now: ReplicaSample, before: ReplicaSample, reason: str) -> tuple[Interval, str]:
    counted = {name: value for name in (*COUNTERS, *GAUGES) if (value := getattr(now, name)) is not None}
    histograms = {name: value for name in HISTOGRAMS if (value := getattr(now, name)) is not None}
    return Interval(now.at_s - before.at_s, counted, histograms), reason


def _told(now: ReplicaSample, before: ReplicaSample, names: Sequence[str]) -> dict[str, float]:
    pairs = {name: (getattr(now, name), getattr(before, name)) for name in names}
    return {name: a - b for name, (a, b) in pairs.items() if a is not None and b is not None}


def _fell(now: ReplicaSample, before: ReplicaSample) -> bool:
    return any(change < 0 for change in _told(now, before, COUNTERS).values())


def _grown(now: ReplicaSample, before: ReplicaSample) -> Iterable[tuple[str, Histogram]]:
    for name in HISTOGRAMS:
        end, start = getattr(now, name), getattr(before, name)
        change = growth(end, start) if end is not None and start is not None else None
        if change is not None:
            yield name, change


def _bound(unbroken: Iterable[Interval]) -> float:
    rates = [interval.per_s("completed", "aborted") or 0.0 for interval in unbroken]
    return max(PLAUSIBLE_PER_S, PLAUSIBLE_TIMES * max(rates, default=0.0))
