"""The fleet of one machine: real engines, moved to where the targets want them, watched, and replaced when they fail.

Promises: a request is never ended for a target's sake (unless ``drain_limit_s`` says so); a replica is in rotation only
after its engine has completed a prompt; nothing outlives the fleet by more than ``orphan_s``, and a fleet that comes
back within that time takes over what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import httpx

from runtime.clock import Clock
from runtime.fleet import LeadTimeSample, PoolTarget, Rackless
from runtime.lifecycle import Move, Verb, reconcile
from runtime.local import slots
from runtime.local.adopt import adopt, serial
from runtime.local.events import Event
from runtime.local.ground import Ground
from runtime.local.journey import POLL_S, Lost, end, forget, next_step, travel
from runtime.local.lane import Lane, check
from runtime.local.replica import LocalReplica
from runtime.local.spec import NODE, Kind, LocalSpec
from runtime.local.watch import watch
from runtime.replica import Replica, Tier, Transition

ARRIVED = {Tier.ACTIVE: "serving", Tier.STANDBY: "standby", Tier.ASLEEP: "asleep", Tier.WARM_NODE: "reserved"}


class LocalFleet(Rackless):
    """``runtime.fleet.Fleet`` over processes of this machine; ``start`` before anything else, ``close`` at the end."""

    def __init__(self, spec: LocalSpec, clock: Clock) -> None:
        self.spec = spec
        # Engines are on loopback, so no proxy; they close idle connections after 5 s, which must not meet our next use.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=2.0)
        http = httpx.AsyncClient(trust_env=False, limits=limits)
        lanes = {(e.service, e.pool): Lane(e, PoolTarget(e.service, e.pool, 0)) for e in spec.engines}
        self._ground = Ground(spec, clock, http, lanes)
        self._replicas = self._ground.replicas
        self._serial = 0
        self._keeper: asyncio.Task[None] | None = None
        self._lock = contextlib.ExitStack()

    async def start(self) -> None:
        """Adopt what still runs in ``spec.home`` and begin to look after it. Raises ValueError where another runs."""
        (self.spec.home / "replicas").mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._serial = serial(self.spec.home)
        for replica in await adopt(self._ground):
            self._go(replica)
        for lane in self._ground.lanes.values():
            lane.target = self._as_found(lane)
        self._keeper = asyncio.create_task(self._keep())

    async def close(self, *, stop: bool = True) -> None:
        """End every replica at once, or leave them serving for ``orphan_s`` so that the next fleet adopts them. To
        end them without losing a request, apply targets of 0 and wait first.
        """
        tasks = [self._keeper, *(task for r in self._replicas.values() for task in (r.job, r.watch))]
        for task in tasks:
            if task:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        if stop:
            await asyncio.gather(*(end(r, self._ground) for r in self._replicas.values() if r.process))
        await self._ground.http.aclose()
        self._lock.close()

    # --- the protocol --------------------------------------------------------------------------------------------

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas, in the order of their names."""
        self._still_kept()
        return tuple(self._replicas[name].view(self.spec.node) for name in sorted(self._replicas))

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """As the protocol. Raises KeyError for an unknown pool, ValueError for a target that cannot be, and then
        changes nothing.
        """
        self._still_kept()
        wanted = {key: lane.target for key, lane in self._ground.lanes.items()}
        for target in targets:
            lane = self._ground.lanes[target.service, target.pool]
            check(target, lane.engine, sum(slot.group == lane.engine.group for slot in self.spec.slots))
            wanted[target.service, target.pool] = target
        self._check_host(wanted)
        for target in targets:
            lane = self._ground.lanes[target.service, target.pool]
            lane.target, lane.decision = target, decision_id
        await self._reconcile()

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Starts and wakes measured so far, newest last."""
        return tuple(self._ground.samples)

    # --- beyond it -----------------------------------------------------------------------------------------------

    async def nodes(self) -> tuple[str, ...]:
        """This machine's name where it has GPUs, for whoever scrapes them."""
        return (self.spec.node,) if any(slot.kind is Kind.GPU for slot in self.spec.slots) else ()

    async def rooms(self) -> dict[str, int]:
        """How many replicas of each pool there are slots for."""
        groups = Counter(slot.group for slot in self.spec.slots)
        return {engine.pool: groups[engine.group] for engine in self.spec.engines}

    def events(self) -> tuple[Event, ...]:
        """What happened, oldest first, the last thousand."""
        return self._ground.events.all()

    def counts(self) -> dict[tuple[str, str], int]:
        """How often something happened since the start, by pool and word."""
        return dict(self._ground.events.counts)

    # --- keeping -------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Look after everything until cancelled."""
        while True:
            await self._look()
            await self._ground.pause()

    async def _look(self) -> None:
        for replica in list(self._replicas.values()):
            for task in (replica.job, replica.watch):
                if task and task.done():
                    task.result()  # a mistake of ours ends the fleet's keeper, and is told to whoever asks next
            if replica.process is None or replica.transition is Transition.FAILED:
                continue
            replica.process.touch()
            if not replica.ending and not replica.process.running:
                await self._fail(replica, "crashed", replica.process.ending())
            elif replica.ready and not replica.ending and replica.watch is None:
                replica.watch = asyncio.create_task(self._watched(replica))
        await self._reconcile()

    def _still_kept(self) -> None:
        if self._keeper is None:
            raise RuntimeError("the fleet was not started")
        if self._keeper.done():
            self._keeper.result()

    async def _watched(self, replica: LocalReplica) -> None:
        try:
            await watch(replica, self._ground)
        except Lost as lost:
            replica.watch = None
            await self._fail(replica, "hung", str(lost))

    async def _fail(self, replica: LocalReplica, what: str, why: str) -> None:
        """It is lost: out of rotation now, replaced by the next look, gone when its processes are."""
        now_s, lane = await self._ground.now(), self._ground.lane(replica)
        if replica.transition is Transition.FAILED:
            return
        if lane:
            lane.failed(now_s, now_s - replica.ready_s if replica.ready else 0.0, self.spec)
        replica.become(now_s, replica.tier, Transition.FAILED)
        await self._ground.say(replica, what, why)
        for task in (replica.job, replica.watch):
            if task and task is not asyncio.current_task():
                task.cancel()
        replica.watch = None
        replica.job = asyncio.create_task(self._clear(replica, now_s + self.spec.failed_shown_s))

    async def _clear(self, replica: LocalReplica, until_s: float) -> None:
        """Free what it held, show it for a moment as failed, forget it."""
        while replica.process and not replica.process.gone:
            replica.process.kill()
            await self._ground.pause(POLL_S)
        forget(replica)
        replica.slot, replica.claims = None, False
        await self._ground.clock.sleep_until(until_s)
        del self._replicas[replica.name]

    # --- moving --------------------------------------------------------------------------------------------------

    async def _reconcile(self) -> None:
        """Start every move that the targets ask for and that is not under way."""
        now_s = await self._ground.now()
        for lane in self._ground.lanes.values():
            members = [
                r.member()
                for r in self._replicas.values()
                if self._ground.lane(r) is lane and r.transition is not Transition.FAILED
            ]
            for move in reconcile(members, lane.target):
                self._make(lane, move, now_s)
            for replica in self._outdated(lane):
                self._ground.events.add(now_s, lane.engine.pool, replica.name, "drain", "of an older specification")
                replica.become(now_s, Tier.COLD, Transition.DRAINING)
                self._ground.write_down(replica)
                self._go(replica)

    def _outdated(self, lane: Lane) -> list[LocalReplica]:
        """Replicas of an older specification that leave now: all once the new ones serve, and one where those wait for
        its slot, with nobody on the way.
        """
        new = [r for r in self._of(lane) if self._ground.lane(r) is lane and r.transition is not Transition.FAILED]
        old = [r for r in self._of(lane) if self._ground.lane(r) is None and r.transition is not Transition.FAILED]
        serving = [r for r in old if r.serving]
        if sum(r.serving for r in new) >= lane.target.active:
            return serving
        starting = any(r.slot and not r.serving and r.tier is Tier.ACTIVE for r in new)
        waiting = any(r.slot is None for r in new)
        if waiting and not starting and len(serving) == len(old):
            return sorted(serving, key=lambda r: r.load)[:1]
        return []

    def _of(self, lane: Lane) -> list[LocalReplica]:
        """Replicas of a pool, as it is and as it was."""
        key = (lane.engine.service, lane.engine.pool)
        return [r for r in self._replicas.values() if (r.engine.service, r.engine.pool) == key]

    def _make(self, lane: Lane, move: Move, now_s: float) -> None:
        if move.verb is Verb.LAUNCH:
            replica = self._launch(lane, move, now_s)
        else:
            replica = self._replicas[str(move.member)]
            self._redirect(replica, move, now_s)
        why = f"decision {lane.decision}" if lane.decision else "to replace another"
        self._ground.events.add(now_s, lane.engine.pool, replica.name, move.verb.value, f"to {move.to}, {why}")
        self._ground.write_down(replica)
        self._go(replica)

    def _redirect(self, replica: LocalReplica, move: Move, now_s: float) -> None:
        if move.verb is Verb.RETARGET:
            replica.tier = move.to
        elif move.verb in (Verb.ACTIVATE, Verb.WAKE):
            if replica.admitted and not replica.adopted:  # it drains and still serves: back at once
                replica.become(now_s, Tier.ACTIVE, None)
                return
            replica.origin, replica.moved_s = Tier.ASLEEP if replica.asleep else Tier.STANDBY, now_s
            replica.become(now_s, Tier.ACTIVE, Transition.WAKING)
        else:
            replica.become(now_s, move.to, Transition.DRAINING)

    def _launch(self, lane: Lane, move: Move, now_s: float) -> LocalReplica:
        """A new replica, in the slot of a warm node if one is named, else in whichever becomes free."""
        replica = LocalReplica(self._name(lane), lane.engine, move.to, Transition.LAUNCHING, now_s)
        if move.member is not None:
            reserved = self._replicas.pop(move.member)
            replica.slot, replica.claims, replica.origin = reserved.slot, True, Tier.WARM_NODE
        self._replicas[replica.name] = replica
        return replica

    def _name(self, lane: Lane) -> str:
        """A name that no replica had here before, whichever fleet it was of."""
        self._serial += 1
        (self.spec.home / "serial").write_text(str(self._serial))
        node = "" if self.spec.node == NODE else f"{self.spec.node}-"  # several machines may be one fleet
        pool = re.sub(r"[^A-Za-z0-9.-]", "-", f"{node}{lane.engine.service}-{lane.engine.pool}")
        return f"{pool}-{self._serial:04d}"

    def _go(self, replica: LocalReplica) -> None:
        """Have it travel, unless it does already and will see its new target by itself."""
        if replica.job is None or replica.job.done():
            replica.job = asyncio.create_task(self._travel(replica))

    async def _travel(self, replica: LocalReplica) -> None:
        try:
            while True:
                await travel(replica, self._ground)
                now_s = await self._ground.now()
                if next_step(replica) is None:  # nobody wanted it elsewhere meanwhile
                    break
        except Lost as lost:
            await self._fail(replica, "failed", str(lost))
            return
        self._arrive(replica, now_s)

    def _arrive(self, replica: LocalReplica, now_s: float) -> None:
        replica.adopted = False
        if replica.tier is Tier.COLD:
            del self._replicas[replica.name]
            what = "stopped"
        else:
            replica.become(now_s, replica.tier, None)
            what = ARRIVED[replica.tier]
        self._ground.events.add(now_s, replica.engine.pool, replica.name, what)
        self._ground.write_down(replica)

    # --- beginnings and checks -----------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        lock = os.open(self.spec.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._lock.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"home {self.spec.home}: another fleet runs there; give this one its own") from error

    def _as_found(self, lane: Lane) -> PoolTarget:
        """The target that leaves the adopted as they are; a decision comes soon."""
        tiers = [r.tier for r in self._of(lane)]
        return replace(
            lane.target,
            active=tiers.count(Tier.ACTIVE),
            standby=tiers.count(Tier.STANDBY),
            asleep=tiers.count(Tier.ASLEEP),
        )

    def _check_host(self, wanted: dict[tuple[str, str], PoolTarget]) -> None:
        """Raises ValueError where sleepers would not fit into host memory."""
        lanes, there = self._ground.lanes, self.spec.host_memory_bytes
        need = sum(slots.host_bytes(lane.engine, wanted[key].asleep) for key, lane in lanes.items())
        if there and need > there:
            pools = ", ".join(f"{pool} {target.asleep}" for (_, pool), target in wanted.items() if target.asleep)
            raise ValueError(f"asleep {pools}: {need} bytes of host memory, {there} are there; let fewer sleep")
