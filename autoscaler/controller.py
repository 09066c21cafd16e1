"""The controller: from one look at a fleet to one decision for one service.

Observe, count the load, forecast, decide: these steps, in this order, are what the daemon does at every tick and what a
backtest does in virtual time, so what a backtest shows is what the daemon would do. What must be carried from tick to
tick is in the ``Mind`` and in the decision's ``next_state``; time and what was seen are passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from autoscaler.capacity import offered_erlangs
from autoscaler.counts import answers, counts_of
from autoscaler.decide import decide
from autoscaler.decision import ControlState, Decision, TierCounts
from autoscaler.learning.law import Learned, learn
from autoscaler.learning.lead_times import lead_times
from autoscaler.policy import KnownEvent, Policy
from autoscaler.safety.health import Vitals, examine, vitals
from collectors.aggregate import LengthMemory, observe
from collectors.observation import Gap, Observation, Scrape
from forecasting.events import Event
from forecasting.forecast import Forecast
from forecasting.forecaster import Forecaster
from runtime.fleet import LeadTimeSample
from runtime.pool import Pool
from runtime.replica import Replica


@dataclass(slots=True)
class Mind:
    """What is carried from tick to tick for one service, beside the control state.

    With ``learns`` False the pool's law stays as it is configured, whatever its replicas show.
    """

    forecaster: Forecaster
    lengths: LengthMemory = field(default_factory=LengthMemory)
    learns: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the fleet gave; ``trouble`` where the fleet did not answer and the last list stands in."""

    at_s: float
    replicas: tuple[Replica, ...]
    lead_times: tuple[LeadTimeSample, ...]
    scrape: Scrape
    trouble: Gap | None = None
    vitals: Vitals | None = None
    """The GPUs laid out once for all services; from the scrape where absent."""


@dataclass(frozen=True, slots=True)
class Considered:
    """One service thought through: what went into the decision, and what came out."""

    replicas: tuple[Replica, ...]
    observation: Observation
    lengths: LengthMemory
    forecast: Forecast | None
    state: ControlState
    decision: Decision


def consider(control: ControlState, policy: Policy, mind: Mind, look: Look, previous: Scrape | None) -> Considered:
    """Think one service through; the forecaster learns from what is seen, everything else is returned."""
    pool = control.pool
    own = tuple(replica for replica in look.replicas if replica.service == pool.service)
    expected = [replica.name for replica in own if answers(replica)]
    observation, lengths = observe(pool.service, expected, previous, look.scrape, mind.lengths)
    if look.trouble:
        observation = replace(observation, valid=False, gaps=(look.trouble, *observation.gaps))
    health = examine(control.health, own, look.vitals or vitals(look.scrape.gpus), look.at_s)
    state = replace(_counted(control, own, look, {sick.replica for sick in health.sick}), health=health)
    if mind.learns:
        state = _taught(state, own, look, previous, observation)
    offered = offered_erlangs(observation, pool, state.work_ms_per_request) if observation.valid else None
    mind.forecaster.expect([_event(event) for event in policy.events])
    mind.forecaster.update(look.at_s, offered)
    forecast = mind.forecaster.forecast(look.at_s)
    return Considered(
        own, observation, lengths, forecast, state, decide(observation, forecast, state, policy, look.at_s)
    )


def _counted(control: ControlState, own: tuple[Replica, ...], look: Look, sick: set[str]) -> ControlState:
    """The state with what is there of each pool; with one pool all that the service has is of it."""
    control, known = replace(control, grant=None), lead_times(control.pool, look.lead_times)
    if not control.more:
        return replace(control, counts=counts_of(own, sick), lead_times=known)

    def of(pool: Pool) -> TierCounts:
        return counts_of([replica for replica in own if replica.pool == pool.name], sick)

    more = tuple(
        replace(branch, counts=of(branch.pool), lead_times=lead_times(branch.pool, look.lead_times))
        for branch in control.more
    )
    return replace(control, counts=of(control.pool), lead_times=known, more=more)


def _taught(
    state: ControlState, own: tuple[Replica, ...], look: Look, previous: Scrape | None, seen: Observation
) -> ControlState:
    """The state with what the replicas of each pool showed of its law."""

    def known(learned: Learned | None, pool: Pool) -> Learned:
        names = [replica.name for replica in own if replica.pool == pool.name and replica.serving]
        return learn(learned, pool, names, previous, look.scrape, seen)

    more = tuple(replace(branch, learned=known(branch.learned, branch.pool)) for branch in state.more)
    return replace(state, learned=known(state.learned, state.pool), more=more)


def _event(known: KnownEvent) -> Event:
    start_s = known.starts_at.timestamp()
    return Event(known.name, start_s, start_s + known.duration_s, known.factor)
