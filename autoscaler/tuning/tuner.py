"""The tuner of one service: remembers ticks, says when a search is due and with what, and takes over what was chosen.

It is to the knobs what the forecaster is to the load: ``due`` may be asked at every tick, the search itself
(``task().chosen()``) runs wherever the shell likes, and until it is adopted the last settings stay. An operator who
turns a knob starts it anew from there. What was chosen on misses that are only estimated is advice, in every mode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from autoscaler.policy import Policy, TuningMode
from autoscaler.tuning.choice import Choice, Price, choose
from autoscaler.tuning.knobs import Values, laid_over, values
from autoscaler.tuning.past import Moment, Past
from runtime.pool import Pool

LEAST_S = 6 * 3600.0
"""Misses measured for a shorter time say too little of where lateness begins; till then the policy's own knobs stay."""

DAY_S = 86400.0

ESTIMATED = (
    "advice only, although tuning.mode is auto: no router counts leadtime_gateway_requests_ended_total and "
    "…_attained_total, and misses estimated from the engines' histograms are too far off to act on"
)


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that a search needs; plain values that can be sent to a worker."""

    moments: tuple[Moment, ...]
    own: Policy
    present: Policy
    pool: Pool
    price: Price | None
    overspent_days: float
    seed: int
    counted: bool = True

    def chosen(self) -> Choice:
        """Search."""
        choice = self._found()
        if self.counted:
            return choice
        told = choice.sentence
        if self.own.tuning.mode is TuningMode.AUTO:
            told = f"{told.removesuffix('.')}; {ESTIMATED}."
        return replace(choice, counted=False, sentence=told)

    def _found(self) -> Choice:
        lived = Past.of([moment for moment in self.moments if moment.billed > 0])
        past = Past.of(self.moments)
        return choose(past, lived, self.own, self.present, self.pool, self.price, self.overspent_days, self.seed)


class Tuner:
    """Tunes one service; not safe for use from several threads."""

    def __init__(self, pool: Pool, moments: Iterable[Moment] = ()) -> None:
        self.pool = pool
        self.moments = deque(moments)
        self.choice: Choice | None = None
        self.price: Price | None = None
        self.switched_s: float | None = None
        """When other settings were taken last, UTC seconds."""
        self._base: Values | None = None
        self._measured_s = 0.0
        self._searched_s = 0.0
        self._adopted_s = 0.0

    def effective(self, policy: Policy) -> Policy:
        """The policy with what was chosen laid over it, where it says ``tuning.mode: auto`` and misses are counted."""
        base = values(policy)
        if self._base is not None and base != self._base:
            self.choice = None
        self._base = base
        if policy.tuning.mode is not TuningMode.AUTO or self.choice is None or not self.choice.counted:
            return policy
        return laid_over(policy, self.choice.knobs)

    def remember(self, moment: Moment | None, over_s: float) -> None:
        """Take a tick, and forget what is older than ``over_s``."""
        if moment is None:
            return
        self.moments.append(moment)
        self._measured_s += moment.seconds * (moment.ended > 0)
        while self.moments[0].at_s < moment.at_s - over_s:
            self.moments.popleft()

    def due(self, policy: Policy) -> bool:
        """Whether to search: often enough apart, and with enough of a past."""
        if policy.tuning.mode is TuningMode.OFF or self._measured_s < LEAST_S:
            return False
        return self.moments[-1].at_s - self._searched_s >= policy.tuning.every_s

    def task(self, policy: Policy) -> Task:
        """What the search that is due needs; the next is due ``every_s`` from here, whatever becomes of this one."""
        now_s = self._searched_s = self.moments[-1].at_s
        counted = self.counted
        acts = policy.tuning.mode is TuningMode.AUTO and counted
        # Advice that nobody follows changes no misses: each is given from the whole past, and nothing adds up.
        price, since_s = (self.price, self._adopted_s) if acts else (None, 0.0)
        moments = tuple(known(self.moments)) if counted else tuple(self.moments)
        overspent = overspent_days(moments, since_s, 1 - policy.slo.attainment)
        present = self.effective(policy) if acts else policy
        return Task(moments, policy, present, self.pool, price, overspent, int(now_s), counted)

    def adopt(self, choice: Choice, at_s: float | None = None) -> None:
        """Use what was found, at ``at_s`` where that was before a restart."""
        self.choice, self.price = choice, choice.price
        self._adopted_s = self._searched_s if at_s is None else at_s
        if choice.switched:
            self.switched_s = self._adopted_s

    @property
    def counted(self) -> bool:
        """Whether a router counted the misses in most of the time in which any are known."""
        measured = [moment for moment in self.moments if moment.ended > 0]
        return 2 * sum(moment.seconds * moment.counted for moment in measured) > sum(m.seconds for m in measured)


def known(moments: Iterable[Moment]) -> Iterator[Moment]:
    """The same moments, without the misses that are only estimated."""
    for moment in moments:
        yield moment if moment.counted else replace(moment, ended=0.0, late=0.0)


def overspent_days(moments: Iterable[Moment], since_s: float, allowed: float) -> float:
    """Misses beyond the allowed share since then, over what a day like the past allows; 0 where nobody counted."""
    moments = list(moments)
    a_day = allowed * sum(m.requests for m in moments) / sum(m.seconds for m in moments) * DAY_S
    lately = [m for m in moments if m.at_s > since_s]
    return sum(m.late - allowed * m.ended for m in lately) / max(a_day, 1e-9)
