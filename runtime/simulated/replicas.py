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
from runtime.lifecycle import Member, Move, Verb, reconcile
from runtime.pool import LeadTime, Pool
from runtime.rack import Rack
from runtime.replica import Tier, Transition
from runtime.simulated.gpus import Gpu, Inventory
from runtime.simulated.lanes import Lane, lanes_of
from runtime.simulated.racks import Order, SimulatedRack
from runtime.simulated.replica import SimulatedReplica
from runtime.simulated.services import SimulatedService, next_slower
from runtime.simulated.state import EngineState, forget_prefixes, install

__all__ = ["FAILURE_SEEN_S", "FALL_ASLEEP_S", "Replicas", "Rotation", "SimulatedReplica", "SimulatedService"]

FALL_ASLEEP_S = 3.0
"""Seconds to put weights into host memory (measured elsewhere: 2.8 s for a 30B model on one A100)."""

FAILURE_SEEN_S = 10.0
"""Seconds until a dead engine is replaced: a few failed probes."""

LEAD_TIME_SAMPLES = 1000

_Z90 = 1.2815515655446004


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
        racks: Sequence[Rack] = (),
    ) -> None:
        count = len(engines.replicas)
        self.by_name: dict[str, SimulatedReplica] = {}
        self.lead_times: deque[LeadTimeSample] = deque(maxlen=LEAD_TIME_SAMPLES)
        self.racks = {rack.name: SimulatedRack(rack) for rack in racks}
        self.lanes = [lane for i, service in enumerate(services) for lane in lanes_of(i, service, self.racks)]
        own = [lane.stock for lane in self.lanes if not lane.racked]
        self.inventories: list[Inventory | SimulatedRack] = [*own, *self.racks.values()]
        self.rotation = Rotation(np.zeros((len(services), count), np.int64), np.zeros(len(services), np.int64))
        self._services = services
        self._engines = engines
        self._rng = rng
        self._launch_failure = launch_failure
        self._free_rows = list(range(count - 1, -1, -1))
        self._serial = 0
        self._shortages: dict[str, float] = {}
        for lane in self.lanes:
            for _ in range(lane.target.active):
                self._launch(lane, Tier.ACTIVE, now_s, at_once=True)
        self._refresh_rotation()

    @property
    def targets(self) -> dict[str, PoolTarget]:
        """What each service should have of its first pool, by its name."""
        return {service.name: self.lane(service.name, service.pool.name).target for service in self._services}

    def lane(self, service: str, pool: str) -> Lane:
        """One pool of a service; raises KeyError where there is none."""
        for lane in self.lanes:
            if lane.pool.name == pool and self._services[lane.service].name == service:
                return lane
        raise KeyError(f"{service} {pool}")

    def load(self, replica: SimulatedReplica) -> int:
        """Its requests, running and waiting."""
        engine = self._engines.replicas[replica.row]
        return int(engine["running"] + engine["waiting"])

    def warmth(self, replica: SimulatedReplica) -> int:
        """Prefix tokens in its KV cache that no request holds: what another replica would have to read again."""
        engine = self._engines.replicas[replica.row]
        return int(engine["evictable_blocks"] * engine["block"])

    def rows(self) -> npt.NDArray[np.int64]:
        """Rows of the engine state that are in use."""
        return np.fromiter((r.row for r in self.by_name.values()), np.int64, len(self.by_name))

    def next_change_s(self) -> float:
        """When the next transition ends by itself."""
        others = [*self._shortages.values(), *(rack.next_change_s() for rack in self.racks.values())]
        return min(*others, math.inf, min((r.ready_at_s for r in self.by_name.values()), default=math.inf))

    # --- what others ask for -------------------------------------------------------------------------------------

    def set_targets(self, targets: Iterable[PoolTarget], now_s: float) -> None:
        """New targets per pool; raises KeyError for a service or pool that does not exist, ValueError for a number
        below zero, and then changes nothing.
        """
        targets = list(targets)
        for target in targets:
            self.lane(target.service, target.pool).check(target)
        for target in targets:
            self.lane(target.service, target.pool).target = target
        self.reconcile(now_s)

    def set_rack(self, name: str, gpus: int, now_s: float) -> None:
        """How many GPUs a rack should hold; raises KeyError for an unknown rack, ValueError as ``want`` does."""
        rack = self.racks[name]
        if missing := rack.want(gpus):
            rack.orders.append(Order(missing, now_s + self._lognormal(rack.rack.lead_time)))

    def sold_out(self, pool: str, until_s: float, now_s: float) -> None:
        """No launch of that pool gets GPUs before then; who has some keeps them. Raises as ``_named`` does."""
        self._named(pool)
        if until_s > now_s:
            self._shortages[pool] = until_s
        else:
            self._shortages.pop(pool, None)
            self.reconcile(now_s)

    def reclaim(self, pool: str, count: int | None, notice_s: float, now_s: float) -> None:
        """The provider takes replicas of a spot pool, all or so many drawn ones: out of rotation at once, gone when
        empty or when the notice is over. Raises as ``_named`` does, and ValueError for a pool that is not spot.
        """
        lanes = self._named(pool)
        if count is not None and count < 0:
            raise ValueError(f"pool {pool}: {count} replicas to take back is below 0")
        if not all(lane.pool.spot for lane in lanes):
            raise ValueError(f"pool {pool} is not spot; nobody takes it back")
        there = [r for r in self.by_name.values() if r.lane in lanes and r.gpus and not r.reclaimed]
        count = len(there) if count is None else min(count, len(there))
        for i in sorted(self._rng.choice(len(there), count, replace=False).tolist()):
            self._take_back(there[i], now_s, notice_s)
        self.reconcile(now_s)

    def _take_back(self, replica: SimulatedReplica, now_s: float, notice_s: float) -> None:
        replica.lane.reclaimed += 1
        if self.load(replica):
            replica.reclaimed = True
            replica.become(now_s, Tier.COLD, Transition.DRAINING, now_s + notice_s)
        else:
            self._stop(replica)

    def overdue(self, now_s: float) -> list[SimulatedReplica]:
        """Those that were taken back and whose notice is over: what still runs there is lost."""
        return [r for r in self.by_name.values() if r.reclaimed and r.ready_at_s <= now_s]

    def _named(self, pool: str) -> list[Lane]:
        """The lanes of that pool; raises KeyError for none, ValueError where its GPUs are those of a rack."""
        lanes = [lane for lane in self.lanes if lane.pool.name == pool]
        if not lanes:
            raise KeyError(pool)
        if any(lane.racked for lane in lanes):
            raise ValueError(f"pool {pool} sleeps in a rack, which has its GPUs for good")
        return lanes

    def sleep(self, replica: SimulatedReplica, now_s: float) -> None:
        """Put an idle replica to sleep by hand; the target follows. Raises ValueError for one that cannot now."""
        if load := self.load(replica):
            raise ValueError(f"{replica.name} has {load} requests; drain it first")
        if replica.tier not in (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP) or replica.transition is Transition.FAILED:
            raise ValueError(f"{replica.name} is on its way out or holds no engine")
        if replica.lane.racked:
            raise ValueError(f"{replica.name} is in a rack, where a lower target puts it to sleep")
        self._retarget_by_hand(replica, Tier.ASLEEP)
        forget_prefixes(self._engines, replica.row)
        replica.become(now_s, Tier.ASLEEP, None)
        self._refresh_rotation()

    def wake(self, replica: SimulatedReplica, now_s: float) -> None:
        """Wake a sleeping replica by hand; the target follows."""
        if replica.tier is Tier.ASLEEP and replica.transition is None:
            self._retarget_by_hand(replica, Tier.ACTIVE)
            self._make(replica.lane, Move(Verb.WAKE, replica.name, Tier.ACTIVE), now_s)

    def fail(self, replica: SimulatedReplica, now_s: float) -> None:
        """Its engine is dead; it is replaced once that has been noticed, or before if anybody sets targets."""
        replica.reclaimed = False  # there is nothing left to take back
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
        arrived = [rack.arrive(now_s) for rack in self.racks.values()]
        over = [pool for pool, until_s in self._shortages.items() if until_s <= now_s]
        for pool in over:
            del self._shortages[pool]
        changed = ended or drained or any(arrived) or bool(over)
        if changed:
            self.reconcile(now_s)
        return changed

    def _end_transitions(self, now_s: float) -> bool:
        due = [r for r in self.by_name.values() if r.ready_at_s <= now_s]
        for replica in due:
            if replica.transition is Transition.FAILED:
                continue  # reconciling replaces it
            if replica.tier is Tier.COLD:
                self._fell_asleep(replica, now_s)
                continue
            launching = replica.transition is Transition.LAUNCHING
            if launching and self._rng.random() < self._launch_failure:
                self.fail(replica, now_s)
                continue
            if replica.transition is not Transition.DRAINING and replica.tier is Tier.ACTIVE:
                seconds = replica.ready_at_s - replica.since_s
                self.lead_times.append(LeadTimeSample(replica.pool.name, replica.origin, seconds, now_s))
            replica.become(now_s, replica.tier, None)
            engine = self._engines.replicas[replica.row]
            engine["clock"] = max(float(engine["clock"]), now_s)
        return bool(due)

    def _end_drains(self, now_s: float) -> bool:
        draining = [r for r in self.by_name.values() if r.transition is Transition.DRAINING]
        empty = [r for r in draining if (r.ready_at_s == math.inf or r.reclaimed) and self.load(r) == 0]
        for replica in empty:
            if replica.tier is Tier.COLD:
                self._leave(replica, now_s)
            elif replica.tier is Tier.ASLEEP:
                forget_prefixes(self._engines, replica.row)
                replica.become(now_s, Tier.ASLEEP, Transition.DRAINING, now_s + FALL_ASLEEP_S)
            else:
                replica.become(now_s, replica.tier, None)
        return bool(empty)

    # --- moves ---------------------------------------------------------------------------------------------------

    def reconcile(self, now_s: float) -> None:
        """Start every move that the targets ask for and that is not under way."""
        members: dict[Lane, list[Member]] = {lane: [] for lane in self.lanes}
        for r in self.by_name.values():
            if not r.reclaimed:
                members[r.lane].append(Member(r.name, r.tier, r.transition, r.since_s, self.load(r), self.warmth(r)))
        waiting: dict[Lane, list[Move]] = {}
        for lane in self.lanes:
            for move in reconcile(members[lane], lane.target):
                if lane.racked and move.verb is Verb.LAUNCH:
                    waiting.setdefault(lane, []).append(move)
                else:
                    self._make(lane, move, now_s)
        self._share(waiting, now_s)
        self._start_waiting(now_s)
        self._refresh_rotation()

    def _start_waiting(self, now_s: float) -> None:
        """Launches of pools that were sold out, in their order, while there are GPUs for them."""
        for replica in self.by_name.values():
            if not replica.gpus and replica.pool.name not in self._shortages:
                replica.gpus = replica.lane.take(replica.name)
                if replica.gpus:
                    self._start(replica, now_s)

    def _share(self, waiting: dict[Lane, list[Move]], now_s: float) -> None:
        """Launches in racks, while there are GPUs: the next is always for who lacks most, the first of equals."""
        while waiting:
            most = max(waiting, key=lambda lane: len(waiting[lane]))
            if not (waiting[most] and self._launch(most, waiting[most].pop(0).to, now_s)):
                del waiting[most]

    def _make(self, lane: Lane, move: Move, now_s: float) -> None:
        if move.verb is Verb.LAUNCH:
            self._launch(lane, move.to, now_s, warm=move.member)
            return
        replica = self.by_name[str(move.member)]
        if move.verb is Verb.RETARGET:
            replica.tier = move.to
        elif move.verb is Verb.DRAIN or (move.verb in (Verb.SLEEP, Verb.STOP) and self.load(replica)):
            replica.become(now_s, move.to, Transition.DRAINING)  # out of rotation, a client may still call it by name
        elif move.verb is Verb.STOP:
            self._leave(replica, now_s)
        elif move.verb is Verb.SLEEP:
            forget_prefixes(self._engines, replica.row)
            replica.become(now_s, move.to, Transition.DRAINING, now_s + FALL_ASLEEP_S)
        elif replica.transition is Transition.DRAINING and replica.ready_at_s == math.inf:
            replica.become(now_s, Tier.ACTIVE, None)  # it still serves: back at once
        else:
            replica.origin = Tier.ASLEEP if replica.tier is Tier.COLD else replica.tier  # on its way to sleep in a rack
            seconds = self._draw(lane.pool, replica.origin)
            replica.become(now_s, Tier.ACTIVE, Transition.WAKING, now_s + seconds)

    def _launch(
        self, lane: Lane, to: Tier, now_s: float, at_once: bool = False, warm: str | None = None
    ) -> SimulatedReplica | None:
        """Start a replica, in the place of a warm node if one is named; without free GPUs nothing starts yet.

        Of a pool that is sold out, a replica waits for its GPUs, launching.
        """
        origin, node = Tier.COLD, None
        if warm is not None:
            origin, node = Tier.WARM_NODE, self.by_name[warm].gpus[0].node
            self._stop(self.by_name[warm])
        name = f"{self._services[lane.service].name}-{self._serial + 1:04d}"
        waits = warm is None and lane.pool.name in self._shortages
        gpus = lane.take(name, node) if self._free_rows and not waits else []
        if not (gpus or (waits and self._free_rows)):
            return None
        self._serial += 1
        row = self._free_rows.pop()
        install(self._engines, row, lane.pool, now_s)
        replica = SimulatedReplica(name, lane, row, to, None, now_s, gpus, now_s, origin=origin)
        self.by_name[name] = replica
        if waits:
            replica.become(now_s, to, Transition.LAUNCHING)
        elif not at_once:
            self._start(replica, now_s)
        return replica

    def _start(self, replica: SimulatedReplica, now_s: float) -> None:
        """It has its GPUs: from now on its lead time passes."""
        pool, to = replica.pool, replica.tier
        if replica.lane.racked:
            replica.origin = Tier.ASLEEP
            replica.become(now_s, to, Transition.WAKING, now_s + self._draw(pool, Tier.ASLEEP))
        else:
            seconds = 0.0 if to is Tier.WARM_NODE else self._draw(pool, replica.origin)
            replica.become(now_s, to, Transition.LAUNCHING, now_s + seconds)

    def _leave(self, replica: SimulatedReplica, now_s: float) -> None:
        """It is not needed and empty: gone, or in a rack asleep, which takes a moment unless its engine is dead."""
        if replica.lane.racked and replica.transition is not Transition.FAILED:
            forget_prefixes(self._engines, replica.row)
            replica.become(now_s, Tier.COLD, Transition.DRAINING, now_s + FALL_ASLEEP_S)
        else:
            self._stop(replica)

    def _fell_asleep(self, replica: SimulatedReplica, now_s: float) -> None:
        """Its GPUs are free for another of the rack, unless a client called it by name meanwhile."""
        if self.load(replica):
            replica.become(now_s, Tier.COLD, Transition.DRAINING)
        else:
            self._stop(replica)

    def _stop(self, replica: SimulatedReplica) -> None:
        del self.by_name[replica.name]
        replica.lane.stock.release(replica.name)
        self._free_rows.append(replica.row)

    def _draw(self, pool: Pool, origin: Tier) -> float:
        """A lead time, lognormal through the pool's P50 and P90; raises ValueError where the pool has no such tier."""
        return self._lognormal(next_slower(pool, origin))

    def _lognormal(self, lead: LeadTime) -> float:
        if lead.p50_s <= 0:
            return 0.0
        sigma = math.log(max(lead.p90_s / lead.p50_s, 1.0)) / _Z90
        return float(lead.p50_s * math.exp(sigma * self._rng.standard_normal()))

    def _retarget_by_hand(self, replica: SimulatedReplica, to: Tier) -> None:
        if replica.tier is not to:
            target = replica.lane.target
            moved = {tier.value: getattr(target, tier.value) + by for tier, by in ((replica.tier, -1), (to, 1))}
            replica.lane.target = replace(target, **moved)

    def _refresh_rotation(self) -> None:
        rows, counts = self.rotation.rows, self.rotation.counts
        counts[:] = 0
        for replica in self.by_name.values():
            if replica.serving:
                rows[replica.service, counts[replica.service]] = replica.row
                counts[replica.service] += 1
