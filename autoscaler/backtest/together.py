"""Several services on one rack, played at once: ours for each of them, and one decision for the GPUs they share.

Everybody else has nothing to gain from being played together: rules that know one service are played one by one.

A service that went to zero is woken by its first request, as a gateway that holds requests does at once; nobody waits
for the next tick. What the wake takes is in that request's time to first token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import SCRAPE_S
from autoscaler.backtest.run import LONGEST_TAIL_S
from autoscaler.controller import Considered, Look, Mind, consider
from autoscaler.decision import ControlState, TierCounts
from autoscaler.policy import Policy
from autoscaler.sharing.controller import Member, RackMind, consider_rack
from autoscaler.sharing.rack import RackDecision, RackPolicy, RackState
from collectors.observation import Scrape
from forecasting.forecaster import Forecaster
from runtime.rack import Rack
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.samples import scrape
from runtime.simulated.summary import racks, summarise
from runtime.simulated.workload import TracesWorkload
from runtime.simulated.world import World

WAKE_LOOK_S = 0.5
"""While a service is at zero its gateway is looked at so often; the simulation's time to notice a request."""


@dataclass(frozen=True, slots=True, eq=False)
class Portfolio:
    """Services of one day, all from the same moment on, and the rack they sleep on."""

    cases: tuple[Case, ...]
    rack: Rack
    policy: RackPolicy = field(default_factory=RackPolicy)
    seed: int = 0

    def world(self) -> World:
        """A fresh fleet, with as many replicas awake as the first minutes need."""
        services = [_service(case, self.rack.name) for case in self.cases]
        traces = {case.pool.service: case.trace for case in self.cases}
        return World(services, TracesWorkload(traces, self.cases[0].start_s), self.seed, racks=[self.rack])


@dataclass(frozen=True, slots=True)
class Together:
    """``rows`` as of a backtest, one a service; ``rack`` is what was held, used and lent."""

    rows: tuple[dict[str, Any], ...]
    rack: dict[str, Any]


@dataclass(slots=True)
class _Control:
    """One service's memory."""

    state: ControlState
    policy: Policy
    mind: Mind


class Controller:
    """Our controller for several services and their rack, looking at a fleet in virtual time."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        self._controls = [_control(case) for case in portfolio.cases]
        self._rack, self._rack_mind = RackState(portfolio.rack.gpus), RackMind()
        self._previous: Scrape | None = None

    def act(self, world: World) -> RackDecision:
        """One tick: a decision for each service, then one for the rack; both are carried out."""
        seen = scrape(world)
        looked = Look(world.now_s, tuple(world.view("")), tuple(world.replicas.lead_times), seen)
        done = [self._consider(control, looked) for control in self._controls]
        self._previous = seen
        world.set_targets([d.decision.plan.targets[0] for d in done])
        decision = self._hold(done, world.now_s)
        world.set_rack(decision.rack, decision.gpus)
        return decision

    def wake(self, world: World) -> None:
        """What a gateway does by itself: a service at zero that somebody waits for gets its first replica."""
        for i, control in enumerate(self._controls):
            target = world.replicas.targets[control.state.pool.service]
            if world.held[i] and target.active == 0:
                world.set_targets([replace(target, active=1)])
                control.state = replace(control.state, desired=replace(target, active=1), idle_since_s=None)

    def _consider(self, control: _Control, look: Look) -> Considered:
        if control.mind.forecaster.due():
            control.mind.forecaster.refit()
        done = consider(control.state, control.policy, control.mind, look, self._previous)
        control.state, control.mind.lengths = done.decision.next_state, done.lengths
        return done

    def _hold(self, done: list[Considered], now_s: float) -> RackDecision:
        rack, policy = self._portfolio.rack, self._portfolio.policy
        members = [Member(d, c.policy, c.mind.forecaster) for d, c in zip(done, self._controls, strict=True)]
        decision = consider_rack(rack, policy, self._rack, self._rack_mind, members, now_s, SCRAPE_S).decision
        self._rack = decision.next_state
        return decision


def play(portfolio: Portfolio, progress: Callable[[float], None] | None = None) -> Together:
    """The whole day; deterministic for its seed."""
    world, controller = portfolio.world(), Controller(portfolio)
    world.slice_s = SCRAPE_S
    start_s, end_s = world.now_s, world.workload.end_s or world.now_s
    tick = 0
    while not world.finished and world.now_s < end_s + LONGEST_TAIL_S:
        tick += 1
        _run_until(world, controller, start_s + tick * SCRAPE_S)
        controller.act(world)
        if progress:
            progress(min(1.0, (world.now_s - start_s) / (end_s - start_s)))
    return Together(tuple(summarise(world)), racks(world)[0])


def _run_until(world: World, controller: Controller, until_s: float) -> None:
    """Let time pass; in small steps while somebody at zero may have to be woken."""
    while world.now_s < until_s:
        asleep = any(target.active == 0 for target in world.replicas.targets.values())
        world.run_until(min(until_s, world.now_s + WAKE_LOOK_S) if asleep else until_s)
        controller.wake(world)


def _service(case: Case, rack: str) -> SimulatedService:
    slo, bounds = case.policy.slo, case.policy.replicas
    target = LatencyTarget(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
    return SimulatedService(
        case.pool.service, case.pool, target, case.first_replicas() if bounds.min else 0, bounds.max + 4, rack=rack
    )


def _control(case: Case) -> _Control:
    mind = Mind(Forecaster(case.pool.service))
    if case.past is not None:
        mind.forecaster.load(*case.past)
    settled_s = case.start_s - case.policy.scale_in.settle_after_restart_s
    return _Control(ControlState(case.pool.service, case.pool, TierCounts(), settled_s), case.acting(), mind)
