"""The replicas of a simulated fleet: where each one is in its life, which GPUs it holds, and how targets move it.

Lead times are drawn per start; what a start took is kept as a sample, as a real fleet would measure it. Nothing
here makes time pass: every method is told what time it is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from runtime.fleet import LeadTimeSample, PoolTarget
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier, Transition
from runtime.simulated.gpus import GPUS_PER_NODE, Gpu, Inventory
from runtime.simulated.lifecycle import Member, Move, Verb, reconcile
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.state import EngineState, check, forget_prefixes, install

FALL_ASLEEP_S = 3.0
"""Seconds to put weights into host memory (measured elsewhere: 2.8 s for a 30B model on one A100)."""

FAILURE_SEEN_S = 10.0
"""Seconds until a dead engine is replaced: a few failed probes."""

LEAD_TIME_SAMPLES = 1000

_Z90 = 1.2815515655446004


@dataclass(frozen=True, slots=True)
class SimulatedService:
    """A service as the simulation needs it: its pool, its promise, and how it starts.

    Raises ValueError, one line, for a pool that cannot be simulated.
    """

    name: str
    pool: Pool
    target: LatencyTarget
    initial_active: int
    max_replicas: int
    hold_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        check(self.pool)
        _nodes(self)
        _next_slower(self.pool, Tier.COLD)


@dataclass(slots=True)
class SimulatedReplica:
    """A replica and its row in the engine state; its transition began in ``origin`` and ends at ``ready_at_s``."""

    name: str
    service: int
    row: int
    tier: Tier
    transition: Transition | None
    since_s: float
    gpus: list[Gpu]
    created_s: float
    ready_at_s: float = math.inf
    origin: Tier = Tier.COLD

    @property
    def serving(self) -> bool:
        """In rotation now."""
        return self.tier is Tier.ACTIVE and self.transition is None

    @property
    def has_process(self) -> bool:
        """Whether an engine process answers: not while it launches, nor once it failed, nor on an empty warm node."""
        return self.tier is not Tier.WARM_NODE and self.transition not in (Transition.LAUNCHING, Transition.FAILED)

    @property
    def asleep(self) -> bool:
        """Whether its weights are out of GPU memory; so they are until it has woken up."""
        waking = self.transition is Transition.WAKING and self.origin is Tier.ASLEEP
        return waking or (self.tier is Tier.ASLEEP and self.transition is None)

    def become(self, now_s: float, tier: Tier, transition: Transition | None, ready_at_s: float = math.inf) -> None:
        """Change state; a transition that ends by itself ends at ``ready_at_s``."""
        self.tier, self.transition = tier, transition
        self.since_s, self.ready_at_s = now_s, ready_at_s


@dataclass(frozen=True, slots=True)
class Rotation:
    """Who takes requests: ``rows[service, :counts[service]]`` of the engine state."""

    rows: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


class Replicas:
    """All replicas of all services. ``launch_failure`` is the probability that a start fails."""

    def __init__(
        self,
        services: Sequence[SimulatedService],
        engines: EngineState,
        rng: np.random.Generator,
        launch_failure: float,
        now_s: float,
    ) -> None:
        count = len(engines.replicas)
        self.by_name: dict[str, SimulatedReplica] = {}
        self.targets: dict[str, PoolTarget] = {}
        self.lead_times: deque[LeadTimeSample] = deque(maxlen=LEAD_TIME_SAMPLES)
        self.inventories = [Inventory(s.pool, _nodes(s)) for s in services]
        self.rotation = Rotation(np.zeros((len(services), count), np.int64), np.zeros(len(services), np.int64))
        self._services = services
        self._index = {service.name: i for i, service in enumerate(services)}
        self._engines = engines
        self._rng = rng
        self._launch_failure = launch_failure
        self._free_rows = list(range(count - 1, -1, -1))
        self._serial = 0
        for i, service in enumerate(services):
            self.targets[service.name] = PoolTarget(service.name, service.pool.name, service.initial_active)
            for _ in range(service.initial_active):
                self._launch(i, Tier.ACTIVE, now_s, at_once=True)
        self._refresh_rotation()

    def load(self, replica: SimulatedReplica) -> int:
        """Its requests, running and waiting."""
        engine = self._engines.replicas[replica.row]
        return int(engine["running"] + engine["waiting"])

    def rows(self) -> npt.NDArray[np.int64]:
        """Rows of the engine state that are in use."""
        return np.fromiter((r.row for r in self.by_name.values()), np.int64, len(self.by_name))

    def next_change_s(self) -> float:
        """When the next transition ends by itself."""
        return min((r.ready_at_s for r in self.by_name.values()), default=math.inf)

    # --- what others ask for -------------------------------------------------------------------------------------

    def set_targets(self, targets: Iterable[PoolTarget], now_s: float) -> None:
        """New targets per pool; raises KeyError for a service or pool that does not exist, ValueError for a number
        below zero, and then changes nothing.
        """
        targets = list(targets)
        for target in targets:
            if target.pool != self._services[self._index[target.service]].pool.name:
                raise KeyError(target.pool)
            if min(target.active, target.standby, target.asleep, target.warm_node) < 0:
                raise ValueError(f"a target below zero: {target}")
        self.targets.update((target.service, target) for target in targets)
        self.reconcile(now_s)

    def sleep(self, replica: SimulatedReplica, now_s: float) -> None:
        """Put an idle replica to sleep by hand; the target follows. Raises ValueError for one that cannot now."""
        if load := self.load(replica):
            raise ValueError(f"{replica.name} has {load} requests; drain it first")
        if replica.tier not in (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP) or replica.transition is Transition.FAILED:
            raise ValueError(f"{replica.name} is on its way out or holds no engine")
        self._retarget_by_hand(replica, Tier.ASLEEP)
        forget_prefixes(self._engines, replica.row)
        replica.become(now_s, Tier.ASLEEP, None)
        self._refresh_rotation()

    def wake(self, replica: SimulatedReplica, now_s: float) -> None:
        """Wake a sleeping replica by hand; the target follows."""
        if replica.tier is Tier.ASLEEP and replica.transition is None:
            self._retarget_by_hand(replica, Tier.ACTIVE)
            self._make(replica.service, Move(Verb.WAKE, replica.name, Tier.ACTIVE), now_s)

    def fail(self, replica: SimulatedReplica, now_s: float) -> None:
        """Its engine is dead; it is replaced once that has been noticed, or before if anybody sets targets."""
        replica.become(now_s, replica.tier, Transition.FAILED, now_s + FAILURE_SEEN_S)
        self._refresh_rotation()

    def gpu(self, uuid: str) -> Gpu:
        """A GPU by its UUID; raises KeyError where there is none."""
        for inventory in self.inventories:
            for gpu in inventory.gpus:
                if gpu.uuid == uuid:
                    return gpu
        raise KeyError(uuid)

    # --- what time does ------------------------------------------------------------------------------------------

    def settle(self, now_s: float) -> bool:
        """End the transitions that are due and the drains that are empty; True if anything changed."""
        ended = self._end_transitions(now_s)
        drained = self._end_drains(now_s)
        if ended or drained:
            self.reconcile(now_s)
        return ended or drained

    def _end_transitions(self, now_s: float) -> bool:
        due = [r for r in self.by_name.values() if r.ready_at_s <= now_s]
        for replica in due:
            if replica.transition is Transition.FAILED:
                continue  # reconciling replaces it
            launching = replica.transition is Transition.LAUNCHING
            if launching and self._rng.random() < self._launch_failure:
                self.fail(replica, now_s)
                continue
            if replica.transition is not Transition.DRAINING and replica.tier is Tier.ACTIVE:
                pool = self._services[replica.service].pool.name
                seconds = replica.ready_at_s - replica.since_s
                self.lead_times.append(LeadTimeSample(pool, replica.origin, seconds, now_s))
            replica.become(now_s, replica.tier, None)
            engine = self._engines.replicas[replica.row]
            engine["clock"] = max(float(engine["clock"]), now_s)
        return bool(due)

    def _end_drains(self, now_s: float) -> bool:
        draining = [r for r in self.by_name.values() if r.transition is Transition.DRAINING]
        empty = [r for r in draining if r.ready_at_s == math.inf and self.load(r) == 0]
        for replica in empty:
            if replica.tier is Tier.COLD:
                self._stop(replica)
            elif replica.tier is Tier.ASLEEP:
                forget_prefixes(self._engines, replica.row)
                replica.become(now_s, Tier.ASLEEP, Transition.DRAINING, now_s + FALL_ASLEEP_S)
            else:
                replica.become(now_s, replica.tier, None)
        return bool(empty)

    # --- moves ---------------------------------------------------------------------------------------------------

    def reconcile(self, now_s: float) -> None:
        """Start every move that the targets ask for and that is not under way."""
        for i, service in enumerate(self._services):
            members = [
                Member(r.name, r.tier, r.transition, r.since_s, self.load(r))
                for r in self.by_name.values()
                if r.service == i
            ]
            for move in reconcile(members, self.targets[service.name]):
                self._make(i, move, now_s)
        self._refresh_rotation()

    def _make(self, service: int, move: Move, now_s: float) -> None:
        if move.verb is Verb.LAUNCH:
            self._launch(service, move.to, now_s, warm=move.member)
            return
        replica = self.by_name[str(move.member)]
        if move.verb is Verb.RETARGET:
            replica.tier = move.to
        elif move.verb is Verb.DRAIN or (move.verb in (Verb.SLEEP, Verb.STOP) and self.load(replica)):
            replica.become(now_s, move.to, Transition.DRAINING)  # out of rotation, a client may still call it by name
        elif move.verb is Verb.STOP:
            self._stop(replica)
        elif move.verb is Verb.SLEEP:
            forget_prefixes(self._engines, replica.row)
            replica.become(now_s, move.to, Transition.DRAINING, now_s + FALL_ASLEEP_S)
        elif replica.transition is Transition.DRAINING and replica.ready_at_s == math.inf:
            replica.become(now_s, Tier.ACTIVE, None)  # it still serves: back at once
        else:
            replica.origin = replica.tier
            seconds = self._draw(self._services[service].pool, replica.origin)
            replica.become(now_s, Tier.ACTIVE, Transition.WAKING, now_s + seconds)

    def _launch(self, service: int, to: Tier, now_s: float, at_once: bool = False, warm: str | None = None) -> None:
        """Start a replica, in the place of a warm node if one is named; without free GPUs nothing starts yet."""
        pool, origin, node = self._services[service].pool, Tier.COLD, None
        if warm is not None:
            origin, node = Tier.WARM_NODE, self.by_name[warm].gpus[0].node
            self._stop(self.by_name[warm])
        name = f"{self._services[service].name}-{self._serial + 1:04d}"
        gpus = self.inventories[service].take(name, node) if self._free_rows else []
        if not gpus:
            return
        self._serial += 1
        row = self._free_rows.pop()
        install(self._engines, row, pool, now_s)
        replica = SimulatedReplica(name, service, row, to, None, now_s, gpus, now_s, origin=origin)
        self.by_name[name] = replica
        if not at_once:
            seconds = 0.0 if to is Tier.WARM_NODE else self._draw(pool, origin)
            replica.become(now_s, to, Transition.LAUNCHING, now_s + seconds)

    def _stop(self, replica: SimulatedReplica) -> None:
        del self.by_name[replica.name]
        self.inventories[replica.service].release(replica.name)
        self._free_rows.append(replica.row)

    def _draw(self, pool: Pool, origin: Tier) -> float:
        """A lead time, lognormal through the pool's P50 and P90; raises ValueError where the pool has no such tier."""
        lead = pool.lead_times.get(origin) or _next_slower(pool, origin)
        if lead.p50_s <= 0:
            return 0.0
        sigma = math.log(max(lead.p90_s / lead.p50_s, 1.0)) / _Z90
        return float(lead.p50_s * math.exp(sigma * self._rng.standard_normal()))

    def _retarget_by_hand(self, replica: SimulatedReplica, to: Tier) -> None:
        name = self._services[replica.service].name
        if replica.tier is not to:
            target = self.targets[name]
            moved = {tier.value: getattr(target, tier.value) + by for tier, by in ((replica.tier, -1), (to, 1))}
            self.targets[name] = replace(target, **moved)

    def _refresh_rotation(self) -> None:
        rows, counts = self.rotation.rows, self.rotation.counts
        counts[:] = 0
        for replica in self.by_name.values():
            if replica.serving:
                rows[replica.service, counts[replica.service]] = replica.row
                counts[replica.service] += 1


def _nodes(service: SimulatedService) -> int:
    """Nodes for all its replicas, and a spare one. Raises ValueError for a replica that fits on no node."""
    pool = service.pool
    if not 1 <= pool.gpus_per_replica <= GPUS_PER_NODE:
        raise ValueError(
            f"pool {pool.name}: gpus_per_replica {pool.gpus_per_replica} does not fit a simulated node; "
            f"give 1 to {GPUS_PER_NODE}"
        )
    return 1 + math.ceil(service.max_replicas / (GPUS_PER_NODE // pool.gpus_per_replica))


def _next_slower(pool: Pool, origin: Tier) -> LeadTime:
    """The lead time of the nearest slower tier that the pool knows."""
    tiers = list(Tier)
    for tier in tiers[tiers.index(origin) :]:
        if tier in pool.lead_times:
            return pool.lead_times[tier]
    raise ValueError(f"pool {pool.name}: lead_times has neither {origin.value} nor a slower tier; give cold")
