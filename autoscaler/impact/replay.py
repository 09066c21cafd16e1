"""A policy in force and a draft, each replayed over the same recorded load with a virtual fleet of its own. Pure.

At every tick both are shown what was recorded, decide with the controller's own ``decide``, and their fleets follow
with the pool's lead times, as a candidate's does in shadow (``autoscaler.shadow``). Forecasts are made as they would
have been made then, by the experts that learn nothing. Lateness is the fluid rule's, judged for both by the SLO in
force, so that a draft is not praised for promising less. Both start from the same fleet.

Not replayed: overrides, sick replicas, starts that fail, further pools, and what happens within a tick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from autoscaler.cost import hourly
from autoscaler.decide import decide
from autoscaler.decision import ControlState, Decision, TierCounts
from autoscaler.impact.recorded import Recorded
from autoscaler.lateness import FULL, served
from autoscaler.learning.law import Learned
from autoscaler.policy import Policy
from autoscaler.shadow.fleet import VirtualFleet, arrived, beginning, follow
from autoscaler.shadow.run import acting
from autoscaler.tuning.recalled import SIMPLE
from collectors.observation import Observation
from forecasting.forecast import Forecast
from forecasting.forecaster import Forecaster
from runtime.pool import Pool

LONG_AGO_S = 30 * 86400.0
"""So long before the past both controllers were started: no settle window is replayed."""

STEPS_TOLD = 50
"""Progress is told so often."""


@dataclass(frozen=True, slots=True)
class Came:
    """What one policy came to. ``in_time`` counts requests; ``outs`` and ``ins`` changes of what was wanted."""

    gpu_s: float = 0.0
    cost_usd: float = 0.0
    in_time: float = 0.0
    replica_s: float = 0.0
    peak: int = 0
    outs: int = 0
    ins: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Impact:
    """Both over the same past. ``wanted`` are replicas in rotation that each asked for, (n,) in the order of ticks.

    ``requests`` came while the load was known; for ``unknown_s`` it was not: in money, not in attainment.
    """

    recorded: Recorded
    current: Came
    draft: Came
    wanted_current: np.ndarray[tuple[int], np.dtype[np.float64]]
    wanted_draft: np.ndarray[tuple[int], np.dtype[np.float64]]
    requests: float
    unknown_s: float


@dataclass(frozen=True, slots=True)
class Task:
    """One replay, as it is given to a worker: ``before`` is the load until ``recorded`` begins, times and erlangs."""

    pool: Pool
    learned: Learned | None
    current: Policy
    draft: Policy
    recorded: Recorded
    before: tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]


@dataclass(slots=True)
class Side:
    """One policy in the replay: its fleet, its memory, what is left over, and what it came to."""

    policy: Policy
    fleet: VirtualFleet
    control: ControlState
    backlog_erlang_s: float = 0.0
    used: float = 0.0
    came: Came = Came()
    decision: Decision | None = None

    def passed(self, pool: Pool, tick: Observation, erlangs: float | None, rho: float) -> None:
        """Pay for a tick and serve its requests, as the fleet was at its end."""
        self.fleet = arrived(self.fleet, tick.at_s)
        counts, seconds = self.fleet.counts(), tick.interval_s
        held = sum(getattr(counts, each.name) for each in fields(TierCounts) if each.name != "sick")
        came = self.came
        in_time = 0.0
        if erlangs is None:
            self.backlog_erlang_s = 0.0
        else:
            done = served(erlangs, counts.active, self.backlog_erlang_s, rho, seconds)
            self.backlog_erlang_s, self.used = done.backlog_erlang_s, done.used
            in_time = done.in_time * (tick.arrivals_per_s or 0.0) * seconds
        self.came = replace(
            came,
            gpu_s=came.gpu_s + held * pool.gpus_per_replica * seconds,
            cost_usd=came.cost_usd + hourly(counts, pool).total_usd * seconds / 3600,
            in_time=came.in_time + in_time,
            replica_s=came.replica_s + counts.active * seconds,
            peak=max(came.peak, counts.active),
        )

    def decided(self, pool: Pool, tick: Observation, forecast: Forecast | None) -> int:
        """Decide on what this fleet would have shown; gives the replicas wanted in rotation."""
        state = replace(self.control, counts=self.fleet.counts())
        decision = decide(self._seen(pool, tick), forecast, state, acting(self.policy), tick.at_s)
        self.fleet = follow(self.fleet, decision.plan.targets[0], pool, tick.at_s)
        wanted, before = decision.plan.targets[0].active, self.decision
        if before is not None:
            turned = wanted - before.plan.targets[0].active
            self.came = replace(self.came, outs=self.came.outs + (turned > 0), ins=self.came.ins + (turned < 0))
        self.control, self.decision = decision.next_state, decision
        return wanted

    def _seen(self, pool: Pool, tick: Observation) -> Observation:
        """The tick with the queue and the latencies of this fleet, by the fluid rule."""
        if not tick.valid:
            return tick
        work_s = pool.step.work_ms(tick.mean_input_tokens or 0.0, tick.mean_output_tokens or 0.0) / 1000
        wait_s = self.backlog_erlang_s / (max(self.fleet.active, 1) * FULL)
        return replace(
            tick,
            waiting=self.backlog_erlang_s / work_s if work_s > 0 else None,
            ttft_s={"p90": wait_s},
            tpot_s={"mean": pool.step.a_ms / 1000 / (1 - min(self.used, FULL))},
        )


def replay(task: Task, progress: Callable[[float], None] = lambda share: None) -> Impact:
    """Both policies over the past; ``progress`` hears which share of it is done. Raises ValueError for an empty one."""
    past, pool = task.recorded, task.pool
    count = len(past.times)
    if not past.known.any():
        raise ValueError("no load was recorded in this time; choose a longer or another one")
    current, draft = _sides(task)
    forecaster = _forecaster(task)
    wanted = np.full((2, count), np.nan)
    requests = unknown_s = 0.0
    for at, tick in enumerate(ticks(past, pool.service)):
        erlangs = float(past.erlangs[at]) if past.known[at] else None
        forecast = foreseen(forecaster, tick.at_s, erlangs)
        rho = current.decision.rho_max if current.decision else _first_rho(current, tick, forecast)
        requests += (tick.arrivals_per_s or 0.0) * past.tick_s
        unknown_s += past.tick_s if erlangs is None else 0.0
        for row, side in enumerate((current, draft)):
            side.passed(pool, tick, erlangs, rho)
            wanted[row, at] = side.decided(pool, tick, forecast)
        if at % max(1, count // STEPS_TOLD) == 0:
            progress(at / count)
    return Impact(past, current.came, draft.came, wanted[0], wanted[1], requests, unknown_s)


def ticks(past: Recorded, service: str) -> Iterator[Observation]:
    """What was recorded as observations without a fleet; invalid where the load is not known."""
    for at, at_s in enumerate(past.times.tolist()):
        known = bool(past.known[at])
        arrivals = float(past.arrivals_per_s[at]) if known else None
        yield Observation(
            service=service,
            at_s=at_s,
            interval_s=past.tick_s,
            valid=known,
            arrivals_per_s=arrivals,
            completed_per_s=arrivals,
            mean_input_tokens=_finite(past.input_tokens[at]),
            mean_output_tokens=_finite(past.output_tokens[at]),
        )


def foreseen(forecaster: Forecaster, at_s: float, erlangs: float | None) -> Forecast | None:
    """What would have been told then."""
    if erlangs is not None:
        forecaster.update(at_s, erlangs)
    return forecaster.forecast(at_s)


def _sides(task: Task) -> tuple[Side, Side]:
    """Both policies before the first tick, with the same fleet."""
    pool, past = task.pool, task.recorded
    first = int(np.argmax(past.known))
    had = past.replicas[np.isfinite(past.replicas)]
    guess = int(had[0]) if len(had) else math.ceil(float(past.erlangs[first]) / 0.7) + 1
    bounds = task.current.replicas
    counts = TierCounts(active=min(bounds.max, max(bounds.min, guess)))
    start_s = float(past.times[0]) - past.tick_s
    control = ControlState(pool.service, pool, counts, start_s - LONG_AGO_S, learned=task.learned)

    def side(policy: Policy) -> Side:
        return Side(policy, beginning(counts, pool, start_s), control)

    return side(task.current), side(task.draft)


def _forecaster(task: Task) -> Forecaster:
    forecaster = Forecaster(task.pool.service, experts=SIMPLE)
    times, erlangs = task.before
    if len(times):
        forecaster.load(times, erlangs)
    return forecaster


def _first_rho(side: Side, tick: Observation, forecast: Forecast | None) -> float:
    """What a replica carries under the policy in force, before its first decision."""
    return decide(tick, forecast, side.control, acting(side.policy), tick.at_s).rho_max


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
