"""One tick of a candidate in shadow: count what has passed, decide, let its virtual fleet follow. Pure.

At each tick the candidate is given what the live policy was given but for a memory and a fleet of its own, and decides
as if its mode were ``auto``. It starts from the live controller's memory and the real fleet, so a candidate that equals
the live policy asks for the same. Where its fleet has come to differ, the queue and the latencies that were measured
are not its own: the fluid rule of lateness (``autoscaler.lateness``) stands in for them, and what only a real fleet can
tell is unknown. Nothing of its fleet is sick or fails to come. A service of several pools is counted in replicas of its
first pool, on both sides.

Attainment is estimated by that rule for *both* policies, against the live policy's SLO, so that the difference is fair;
the live fleet's measured attainment stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from autoscaler.attainment import sample
from autoscaler.cost import hourly
from autoscaler.decide import decide
from autoscaler.decision import ControlState, Decision, TierCounts
from autoscaler.lateness import FULL, Served, served
from autoscaler.learning.law import corrected
from autoscaler.policy import Mode, Policy
from autoscaler.safety.health import Health
from autoscaler.shadow.fleet import VirtualFleet, arrived, beginning, follow, with_lead_times
from autoscaler.spread import as_one
from collectors.observation import Observation
from forecasting.forecast import Forecast
from runtime.pool import Pool

DIFFERENCES = 5
"""So many of the largest disagreements are kept."""

OWN = ("desired", "last_scale_out_s", "last_scale_in_s", "needs", "ask", "restlessness", "replacing")
"""What a controller remembers of its own targets; everything else it is given is of the fleet and the operators."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one policy came to. ``backlog_erlang_s`` and ``used`` (erlangs a replica) are the fluid rule's, as of now;
    ``in_time`` counts requests.
    """

    gpu_s: float = 0.0
    cost_usd: float = 0.0
    in_time: float = 0.0
    backlog_erlang_s: float = 0.0
    used: float = 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """A stretch of time in which the two asked for different replicas in rotation, told by its widest moment."""

    at_s: float
    live_active: int
    candidate_active: int
    live_sentence: str
    candidate_sentence: str

    @property
    def size(self) -> int:
        """Replicas between the two."""
        return abs(self.candidate_active - self.live_active)


@dataclass(frozen=True, slots=True)
class Tally:
    """Both policies over the time both ran.

    Seconds: ``both_s`` in all, of which the candidate wanted more replicas in rotation (``more_s``), or fewer
    (``fewer_s``), or the load was not known (``unknown_s``: counted in money, not in attainment); ``missed_s`` is time
    in which nobody decided, and is in none of the others. ``estimated`` requests have an estimate on both sides;
    ``measured`` requests of the live fleet have a measurement, and ``late`` of them were late. ``gap`` is what the
    candidate wanted more than the live policy at the last tick, ``widest`` the widest moment since that began.
    """

    live: Side = Side()
    candidate: Side = Side()
    both_s: float = 0.0
    more_s: float = 0.0
    fewer_s: float = 0.0
    unknown_s: float = 0.0
    missed_s: float = 0.0
    estimated: float = 0.0
    measured: float = 0.0
    late: float = 0.0
    gap: int = 0
    widest: Difference | None = None
    largest: tuple[Difference, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The largest ones, the present one among them, largest first."""
        found = (*self.largest, self.widest) if self.widest else self.largest
        return tuple(sorted(found, key=lambda each: (-each.size, each.at_s))[:DIFFERENCES])


@dataclass(frozen=True, slots=True)
class Shadow:
    """A candidate for one service: ``number`` counts those of the service; ``ended_at_s`` is None while it runs."""

    service: str
    number: int
    policy: Policy
    author: str
    reason: str
    started_at_s: float
    live_version: int
    control: ControlState
    fleet: VirtualFleet
    at_s: float
    decision: Decision | None = None
    tally: Tally = Tally()
    ended_at_s: float | None = None
    outcome: str = ""

    @property
    def open(self) -> bool:
        """Still running."""
        return self.ended_at_s is None


@dataclass(frozen=True, slots=True)
class Tick:
    """What the live controller was given at one tick, and what it decided, under which policy."""

    observation: Observation
    forecast: Forecast | None
    state: ControlState
    decision: Decision
    policy: Policy
    policy_version: int


def begin(
    number: int, policy: Policy, author: str, reason: str, live: ControlState, version: int, at_s: float
) -> Shadow:
    """A candidate that takes over the live controller's memory and fleet as they are."""
    pool = with_lead_times(live.pool, live.lead_times)
    fleet = beginning(as_one(live).counts, pool, at_s)
    return Shadow(live.service, number, policy, author, reason, at_s, version, live, fleet, at_s)


def step(shadow: Shadow, tick: Tick, longest_s: float) -> Shadow:
    """One tick of the candidate beside the live one's; after more than ``longest_s`` without one nothing is counted."""
    now_s, live = tick.decision.at_s, in_one_pool(tick)
    seconds = now_s - shadow.at_s
    if seconds <= 0:
        return shadow
    pool = with_lead_times(live.pool, live.lead_times)
    fleet = arrived(shadow.fleet, now_s)
    tally = _counted(shadow, fleet, live.counts, tick, pool, seconds, longest_s)
    state = replace(
        live, counts=fleet.counts(), health=Health(), **{name: getattr(shadow.control, name) for name in OWN}
    )
    seen = as_seen(tick.observation, live.counts, fleet, tally, corrected(pool, live.learned))
    decision = decide(seen, tick.forecast, state, acting(shadow.policy), now_s)
    return replace(
        shadow,
        live_version=tick.policy_version,
        control=decision.next_state,
        fleet=follow(fleet, decision.plan.targets[0], pool, now_s),
        at_s=now_s,
        decision=decision,
        tally=_compared(tally, tick.decision, decision),
    )


def in_one_pool(tick: Tick) -> ControlState:
    """The state that the live decision was made from, all replicas counted as what they are worth in its first pool."""
    state = as_one(replace(tick.state, more=tick.decision.next_state.more))
    return replace(state, more=(), targets=(), first_ask=None)


def wanted(decision: Decision) -> int:
    """Replicas wanted in rotation, in replicas of the first pool."""
    worth = {branch.pool.name: branch.worth for branch in decision.next_state.more}
    return round(sum(target.active * worth.get(target.pool, 1.0) for target in decision.plan.targets))


def acting(policy: Policy) -> Policy:
    """The policy as it would be in auto mode."""
    return policy.model_copy(update={"mode": Mode.AUTO, "paused_until_s": None})


def as_seen(seen: Observation, live: TierCounts, fleet: VirtualFleet, tally: Tally, pool: Pool) -> Observation:
    """What would have been observed of the virtual fleet: the very same where it does not differ from the live one."""
    mine, theirs = tally.candidate, tally.live
    if fleet.active == live.active and abs(mine.backlog_erlang_s - theirs.backlog_erlang_s) < 1e-6:
        return seen
    wait_s = mine.backlog_erlang_s / (max(fleet.active, 1) * FULL)
    work_s = pool.step.work_ms(seen.mean_input_tokens or 0.0, seen.mean_output_tokens or 0.0) / 1000
    return replace(
        seen,
        waiting=mine.backlog_erlang_s / work_s if work_s > 0 else None,
        held=None,
        preemptions_per_s=None,
        kv_usage_ratio=None,
        kv_usage_max_ratio=None,
        ttft_s={"p90": wait_s},
        tpot_s={"mean": pool.step.a_ms / 1000 / (1 - min(mine.used, FULL))},
        ttft=None,
        tpot=None,
    )


def _counted(
    shadow: Shadow, fleet: VirtualFleet, live: TierCounts, tick: Tick, pool: Pool, seconds: float, longest_s: float
) -> Tally:
    """The tally with what the time since the last tick adds."""
    tally = shadow.tally
    if seconds > longest_s:
        live_side, own_side = (replace(side, backlog_erlang_s=0.0) for side in (tally.live, tally.candidate))
        return replace(tally, live=live_side, candidate=own_side, missed_s=tally.missed_s + seconds)
    tally = replace(
        tally,
        live=_paid(tally.live, live, pool, seconds),
        candidate=_paid(tally.candidate, fleet.counts(), pool, seconds),
        both_s=tally.both_s + seconds,
        more_s=tally.more_s + (seconds if tally.gap > 0 else 0.0),
        fewer_s=tally.fewer_s + (seconds if tally.gap < 0 else 0.0),
    )
    return _attained(tally, live.active, fleet.active, tick, seconds)


def _paid(side: Side, counts: TierCounts, pool: Pool, seconds: float) -> Side:
    replicas = sum(getattr(counts, each.name) for each in fields(counts))
    return replace(
        side,
        gpu_s=side.gpu_s + replicas * pool.gpus_per_replica * seconds,
        cost_usd=side.cost_usd + hourly(counts, pool).total_usd * seconds / 3600,
    )


def _attained(tally: Tally, live: int, own: int, tick: Tick, seconds: float) -> Tally:
    seen, decision = tick.observation, tick.decision
    if (measured := sample(seen, tick.policy.slo)) is not None:
        tally = replace(tally, measured=tally.measured + measured.requests, late=tally.late + measured.late)
    erlangs, arrivals = decision.offered_erlangs, seen.arrivals_per_s
    if not seen.valid or erlangs is None or arrivals is None:
        return replace(tally, unknown_s=tally.unknown_s + seconds)
    requests = arrivals * seconds
    came = [
        served(erlangs, replicas, side.backlog_erlang_s, decision.rho_max, seconds)
        for replicas, side in ((live, tally.live), (own, tally.candidate))
    ]
    return replace(
        tally,
        live=_served(tally.live, came[0], requests),
        candidate=_served(tally.candidate, came[1], requests),
        estimated=tally.estimated + requests,
    )


def _served(side: Side, came: Served, requests: float) -> Side:
    in_time = side.in_time + came.in_time * requests
    return replace(side, in_time=in_time, backlog_erlang_s=came.backlog_erlang_s, used=came.used)


def _compared(tally: Tally, live: Decision, own: Decision) -> Tally:
    """The tally with what the two want now; a stretch of disagreement ends where they agree or change sides."""
    theirs, mine = wanted(live), wanted(own)
    gap = mine - theirs
    now = Difference(live.at_s, theirs, mine, live.sentence, own.sentence) if gap else None
    if now is None or gap * tally.gap <= 0:
        return replace(tally, gap=gap, widest=now, largest=tally.differences)
    widest = now if tally.widest is None or now.size > tally.widest.size else tally.widest
    return replace(tally, gap=gap, widest=widest)
