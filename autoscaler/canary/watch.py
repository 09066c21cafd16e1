"""The watch over a policy just applied: multi-window burn rates of the error budget, after the change against before.

A burn rate is the share of late requests over the share that may be late: 1 spends the budget exactly. The method is
the multi-window, multi-burn-rate alert of the Site Reliability Workbook (14.4 over 1 h and 5 min, 6 over 6 h and 30
min), with its windows scaled so that the longest is the watch itself: for 30 minutes 14.4 over 5 min and 1 min, 6 over
30 min and 2.5 min. Two things differ. Burn counts from what was burnt before the change, so trouble that was there
already is nobody's fault; and the time before the change fills a long window as if nothing had changed, so a burn that
is high enough is found early (everything late: within 14.4 % of the long window at an objective of 99 %) and a
single late request is not.

Promise: pure. A tick without a measurement neither passes nor fails: the watch is as much longer. A newer version of
the policy, whoever wrote it, ends the watch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from autoscaler.attainment import Sample

LEAST_LATE = 10.0
"""Requests late beyond those before, in a long window: fewer are no evidence, whatever share they are."""

SURE = 4.0
"""Standard deviations that they must be beyond chance, where requests were late before; every tick looks again."""

LEAST_WINDOW_S = 60.0
"""The shortest window: a few ticks."""

AUTHOR = "leadtime"
"""Who rolls back."""


class Outcome(StrEnum):
    """What came of a watch."""

    WATCHING = "watching"
    PASSED = "passed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Alert:
    """A burn rate that is too high if both windows, as shares of the watch, show it."""

    burn: float
    long_share: float
    short_share: float


ALERTS = (Alert(14.4, 1 / 6, 1 / 72), Alert(6.0, 1.0, 1 / 12))


@dataclass(frozen=True, slots=True)
class Before:
    """What was measured in the ``seconds`` before the change, by the SLO of the version on watch."""

    seconds: float = 0.0
    requests: float = 0.0
    late: float = 0.0

    @property
    def share(self) -> float:
        """Share of late requests; none where nothing was measured."""
        return self.late / self.requests if self.requests > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """One version of one service's policy on watch, from ``started_at_s``, for ``watch_s`` of measured time.

    ``objective`` is the share of requests in time that the version promises; ``before`` is None until the first tick.
    ``missing_s`` is time without a measurement, by which the watch is longer. ``said`` is the outcome in one sentence.
    """

    service: str
    version: int
    base_version: int
    objective: float
    started_at_s: float
    watch_s: float
    at_s: float
    before: Before | None = None
    samples: tuple[Sample, ...] = ()
    missing_s: float = 0.0
    outcome: Outcome = Outcome.WATCHING
    said: str = ""
    ended_at_s: float | None = None

    @property
    def number(self) -> int:
        """The version on watch; a service has one watch at a time."""
        return self.version

    @property
    def open(self) -> bool:
        """Still watching."""
        return self.ended_at_s is None

    @property
    def measured_s(self) -> float:
        """How long it has been measured since the change."""
        return sum(sample.seconds for sample in self.samples)

    @property
    def left_s(self) -> float:
        """How much measured time is left."""
        return max(0.0, self.watch_s - self.measured_s)


@dataclass(frozen=True, slots=True)
class Burn:
    """One alert as it stands: burn rates above those before, None in a short window where nothing was measured.

    ``late`` requests of the long window are beyond those before, and ``enough`` of them are evidence.
    """

    alert: Alert
    long_s: float
    short_s: float
    long: float
    short: float | None
    late: float
    enough: float

    @property
    def fires(self) -> bool:
        """Too high in both windows, on enough evidence."""
        short = self.short is not None and self.short >= self.alert.burn
        return short and self.long >= self.alert.burn and self.late >= self.enough


def begin(service: str, version: int, base_version: int, objective: float, watch_s: float, at_s: float) -> Watch:
    """The watch over a version applied at ``at_s``."""
    return Watch(service, version, base_version, objective, at_s, watch_s, at_s)


def step(watch: Watch, seen: Sample | None, before: Before, at_s: float) -> Watch:
    """One tick of an open watch: ``seen`` is what was measured until ``at_s``, None where nothing was.

    ``before`` is what was measured before the change; it is taken at the first tick and kept.
    """
    seconds = at_s - watch.at_s
    if not watch.open or seconds <= 0:
        return watch
    watch = replace(watch, at_s=at_s, before=watch.before or before)
    if seen is None:
        return replace(watch, missing_s=watch.missing_s + seconds)
    # An interval that began before the change says that much less of it.
    known_s = min(seen.seconds, seconds)
    part = known_s / seen.seconds
    watch = replace(watch, samples=(*watch.samples, Sample(at_s, known_s, seen.requests * part, seen.late * part)))
    watch = replace(watch, missing_s=watch.missing_s + seconds - known_s)
    firing = next((burn for burn in burns(watch) if burn.fires), None)
    if firing is not None:
        return ended(watch, Outcome.FAILED, reason(watch, firing), at_s)
    return ended(watch, Outcome.PASSED, passed(watch), at_s) if watch.left_s <= 0 else watch


def burns(watch: Watch) -> tuple[Burn, ...]:
    """Every alert as it stands."""
    return tuple(_burn(watch, alert) for alert in ALERTS)


def ended(watch: Watch, outcome: Outcome, said: str, at_s: float) -> Watch:
    """The watch is over."""
    return replace(watch, outcome=outcome, said=said, ended_at_s=at_s)


def reason(watch: Watch, burn: Burn) -> str:
    """Why a version is taken back, with its numbers: the reason of the version that follows."""
    before = watch.before or Before()
    known = (
        f"{before.share:.1%} in the {_minutes(before.seconds)} before" if before.requests else "nothing known before"
    )
    seen = _within(watch, burn.long_s)
    late, requests = sum(sample.late for sample in seen), sum(sample.requests for sample in seen)
    short = f"{burn.short or 0.0:.1f} over {_minutes(burn.short_s)}"
    return (
        f"version {watch.version} burns the error budget {burn.long:.1f} times as fast as it may over "
        f"{_minutes(burn.long_s)} ({short}; the limit is {burn.alert.burn:g}) beyond what burnt before: "
        f"{late:.0f} of {requests:.0f} requests late since it came, {known}"
    )


def passed(watch: Watch) -> str:
    """What a watch without an alert found."""
    late, requests = sum(s.late for s in watch.samples), sum(s.requests for s in watch.samples)
    share = late / requests if requests > 0 else 0.0
    longer = f", {_minutes(watch.missing_s)} longer for want of measurements" if watch.missing_s >= 1 else ""
    return (
        f"version {watch.version} passed its watch of {_minutes(watch.watch_s)}{longer}: {share:.1%} of requests late"
    )


def _burn(watch: Watch, alert: Alert) -> Burn:
    long_s = max(LEAST_WINDOW_S, alert.long_share * watch.watch_s)
    short_s = max(LEAST_WINDOW_S, alert.short_share * watch.watch_s)
    before, budget = (watch.before or Before()).share, 1 - watch.objective
    long, short = _within(watch, long_s), _within(watch, short_s)
    requests = sum(sample.requests for sample in long)
    late = sum(sample.late for sample in long) - before * requests
    filled = min(1.0, sum(sample.seconds for sample in long) / long_s)
    return Burn(
        alert,
        long_s,
        short_s,
        long=_share(long, before) / budget * filled,
        short=_share(short, before) / budget if short else None,
        late=late,
        enough=max(LEAST_LATE, SURE * _chance(watch.before or Before(), requests)),
    )


def _chance(before: Before, requests: float) -> float:
    """Standard deviation of how many more are late than before, by a share that is itself only a sample."""
    if before.requests <= 0:
        return 0.0
    return math.sqrt(before.share * (1 - before.share) * requests * (1 + requests / before.requests))


def _within(watch: Watch, window_s: float) -> list[Sample]:
    return [sample for sample in watch.samples if sample.at_s > watch.at_s - window_s]


def _share(samples: list[Sample], before: float) -> float:
    requests = sum(sample.requests for sample in samples)
    return sum(sample.late for sample in samples) / requests - before if requests > 0 else 0.0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.0f} s"
