"""Who takes part: our controller as the daemon runs it, and any peer's rule."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Protocol

from autoscaler.backtest.case import FIRST_S, Case
from autoscaler.controller import Look, Mind, consider
from autoscaler.decision import Branch, ControlState, TierCounts
from autoscaler.peers.rule import FleetSignals, ReplicaSignals, Rule
from autoscaler.policy import TuningMode
from autoscaler.tuning.past import moment
from autoscaler.tuning.recalled import recalled
from autoscaler.tuning.tuner import Tuner
from collectors.aggregate import LengthMemory, observe
from collectors.observation import Observation, Scrape
from forecasting.forecaster import Forecaster
from runtime.fleet import PoolTarget
from runtime.replica import Tier
from runtime.simulated.replicas import SimulatedReplica
from runtime.simulated.samples import scrape
from runtime.simulated.world import World

SCRAPE_S = 15.0
"""Everybody's metrics are taken this often."""

RATES_OVER_S = 60.0
"""Peers see rates and latencies over the last minute, as their queries ask for."""


class Contender(Protocol):
    """Anything that can say, every ``interval_s``, what a fleet should be."""

    name: str
    interval_s: float

    def target(self, world: World) -> PoolTarget | None:
        """What the fleet should be, at the world's time; None to leave it."""
        ...


class Ours:
    """The daemon's controller, looking at a fleet in virtual time."""

    name = "leadtime"
    interval_s = SCRAPE_S

    def __init__(self, case: Case, forecaster: Forecaster | None = None) -> None:
        settled_s = case.start_s - case.policy.scale_in.settle_after_restart_s
        more = tuple(Branch(pool) for pool in case.more_pools)
        self._control = ControlState(case.pool.service, case.pool, TierCounts(), settled_s, more=more)
        self._policy = case.acting()
        self._mind = Mind(forecaster or Forecaster(case.pool.service))
        self._previous: Scrape | None = None
        if case.past is not None:
            self._mind.forecaster.load(*case.past)
        self.tuner = tuner_of(case) if self._policy.tuning.mode is TuningMode.AUTO else None

    def target(self, world: World) -> PoolTarget | None:
        """One tick of the daemon's loop, as the first pool hears of it."""
        return next(iter(self.targets(world)), None)

    def targets(self, world: World) -> tuple[PoolTarget, ...]:
        """One tick of the daemon's loop: what each pool should be; nothing to leave them."""
        seen = scrape(world)
        if self._mind.forecaster.due():
            self._mind.forecaster.refit()
        look = Look(world.now_s, tuple(world.view("")), tuple(world.replicas.lead_times), seen)
        policy = self.tuner.effective(self._policy) if self.tuner else self._policy
        result = consider(self._control, policy, self._mind, look, self._previous)
        self._control, self._mind.lengths, self._previous = result.decision.next_state, result.lengths, seen
        if self.tuner:
            self.tuner.remember(moment(result, policy), policy.tuning.over_s)
            if self.tuner.due(self._policy):
                self.tuner.adopt(self.tuner.task(self._policy).chosen())
        return result.decision.plan.targets if result.decision.act else ()


def tuner_of(case: Case) -> Tuner:
    """A tuner that knows the load of the time before, as a daemon's that finds a recorded history."""
    if case.past is None or len(case.past[0]) < 2:
        return Tuner(case.pool)
    first = case.trace.arrival_s < FIRST_S
    lengths = float(case.trace.input_tokens[first].mean()), float(case.trace.output_tokens[first].mean())
    return Tuner(case.pool, recalled(case.pool, case.policy, *case.past, lengths, case.policy.tuning.over_s, SCRAPE_S))


class Peer:
    """A rule behind its metrics pipeline: scraped every ``SCRAPE_S``, seen ``lag_s`` later at the earliest."""

    def __init__(self, case: Case, rule: Rule, lag_s: float = 0.0) -> None:
        self.name = rule.name
        self.interval_s = rule.interval_s
        self._rule = rule
        self._lag_s = lag_s
        self._service, self._pool = case.pool.service, case.pool.name
        self._scrapes: deque[tuple[Scrape, tuple[SimulatedReplica, ...]]] = deque()
        self._lengths = LengthMemory()
        self._seen: Observation | None = None
        self._desired = case.first_replicas()

    def scrape(self, world: World) -> None:
        """Take the metrics' sample; forgets what no query reaches back to."""
        self._scrapes.append((scrape(world), tuple(replace(r) for r in world.replicas.by_name.values())))
        while self._scrapes[0][0].at_s < world.now_s - RATES_OVER_S - self._lag_s - SCRAPE_S:
            self._scrapes.popleft()

    def target(self, world: World) -> PoolTarget | None:
        """Ask the rule, if there is anything it could have seen yet."""
        known = [seen for seen in self._scrapes if seen[0].at_s <= world.now_s - self._lag_s]
        if not known:
            return None
        current, replicas = known[-1]
        if self._seen is None or self._seen.at_s != current.at_s:
            self._seen = self._observe([seen for seen, _ in known], current)
        self._desired = self._rule.desired(self._signals(world.now_s, self._seen, current, replicas))
        return PoolTarget(self._service, self._pool, self._desired)

    def _observe(self, known: list[Scrape], current: Scrape) -> Observation:
        """The last minute, as queries over it would answer."""
        earlier = [seen for seen in known if seen.at_s <= current.at_s - RATES_OVER_S]
        previous = earlier[-1] if earlier else known[0]
        names = list(current.replicas)
        observation, self._lengths = observe(self._service, names, previous, current, self._lengths)
        return observation

    def _signals(
        self, now_s: float, seen: Observation, current: Scrape, replicas: tuple[SimulatedReplica, ...]
    ) -> FleetSignals:
        shown = [_replica(r, current, now_s) for r in replicas if r.tier is Tier.ACTIVE]
        return FleetSignals(
            at_s=now_s,
            desired=self._desired,
            replicas=tuple(shown),
            queued=int(seen.held or 0),
            arrivals_per_s=seen.arrivals_per_s or 0.0,
            mean_input_tokens=seen.mean_input_tokens,
            mean_output_tokens=seen.mean_output_tokens,
            ttft_p90_s=seen.ttft_s.get("p90"),
            tpot_p90_s=seen.tpot_s.get("p90"),
            ttft_p99_s=seen.ttft_s.get("p99"),
        )


def _replica(replica: SimulatedReplica, current: Scrape, now_s: float) -> ReplicaSignals:
    """What the peer sees of one replica; none of its metrics before it serves."""
    age_s = now_s - replica.created_s
    sample = current.replicas.get(replica.name)
    if not replica.serving or sample is None:
        return ReplicaSignals(ready=False, age_s=age_s)
    return ReplicaSignals(
        ready=True,
        age_s=age_s,
        running=int(sample.running or 0),
        waiting=int(sample.waiting or 0),
        kv_usage_ratio=sample.kv_usage_ratio or 0.0,
    )
