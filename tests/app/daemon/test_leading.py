"""One brain: whoever follows writes nothing, and a hand-over is a restart that nobody notices."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx

from app.daemon import loop
from app.daemon.leading import Alone, acts, lead
from app.daemon.parts import Daemon
from runtime.fleet import PoolTarget
from runtime.kubernetes.client import Api
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.election import Terms
from runtime.kubernetes.lease import Lease, LostLease
from runtime.replica import Replica
from tests.app.fakes import AUTO, INTERVAL_S, FakeFleet, FakeSource, World
from tests.runtime.kubernetes.apiserver import ApiServer
from tests.runtime.kubernetes.clocks import Jumping

HOUR_S = 3600
STEP_S = 3
TICK_S = 30.0
TERMS = Terms()


class Guest(Lease):
    """A Lease whose waiting ends when its process is told that time has passed."""

    def __init__(self, server: ApiServer, clock: Jumping, name: str) -> None:
        super().__init__(
            Api(Connection("http://cluster"), clock, transport=server),
            "ops",
            "leadtime-daemon",
            name,
            self.pause,
            TERMS,
            lambda: clock.now_s,
        )
        self.clock = clock
        self.due_s = 0.0
        self.woken = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        self.due_s = self.clock.now_s + seconds
        await self.woken.wait()
        self.woken.clear()

    async def close(self) -> None:
        await self._api.close()


@dataclass
class FencedFleet(FakeFleet):
    """One fleet for all, as each process sees it: who may not write is refused, and every write is noted."""

    shared_with: FakeFleet = field(default_factory=FakeFleet)
    leader: Guest | None = None
    writes: list[tuple[float, str, int]] = field(default_factory=list)

    async def replicas(self) -> tuple[Replica, ...]:
        return await self.shared_with.replicas()

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        assert self.leader is not None
        if not self.leader.leads():
            raise httpx.ConnectError("not the leader")
        await self.shared_with.apply(targets, decision_id)
        self.writes.append((self.leader.clock.now_s, self.leader.state.identity, targets[0].active))


@dataclass
class Process:
    """One daemon: it ticks on the grid, and its Lease is renewed, while it is neither frozen nor killed."""

    name: str
    daemon: Daemon
    leader: Guest
    task: asyncio.Task[None]
    frozen_until_s: float = 0.0
    next_s: float = 0.0

    async def live(self, now_s: float) -> bool:
        """A step of it; whether it is still there. A frozen one ticks before it learns of its Lease."""
        if now_s < self.frozen_until_s:
            return True
        if now_s >= self.next_s or self.daemon.memory.called.is_set():
            self.daemon.memory.called.clear()
            loop.told(self.daemon, now_s)
            await loop.turn(self.daemon, now_s)
            self.next_s = loop.next_tick(now_s, self.daemon.interval_s)
        if now_s >= self.leader.due_s:
            self.leader.woken.set()
        for _ in range(12):
            await asyncio.sleep(0)
        return not self.task.done()


@dataclass
class Hour:
    """Two daemons over one store, one fleet and one API server."""

    path: Path
    rng: random.Random
    clock: Jumping = field(default_factory=Jumping)
    fleet: FakeFleet = field(default_factory=FakeFleet)
    processes: list[Process] = field(default_factory=list)
    writes: list[tuple[float, str, int]] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    serial: int = 0
    _server: ApiServer | None = None

    @property
    def server(self) -> ApiServer:
        self._server = self._server or ApiServer(self.clock)
        return self._server

    async def add(self, rps: float) -> None:
        self.serial += 1
        name = f"daemon-{self.serial}"
        leader = Guest(self.server, self.clock, name)
        fleet = FencedFleet(shared_with=self.fleet, leader=leader, writes=self.writes)
        world = World(self.path, AUTO, fleet, FakeSource(rps=rps))
        world.clock.now_s = self.clock.now_s
        daemon = await world.start()
        daemon.leader, daemon.acting, daemon.interval_s = leader, False, TICK_S
        self.processes.append(Process(name, daemon, leader, asyncio.create_task(lead(daemon))))

    async def run(self, rps_at: dict[int, float]) -> None:
        rps, trouble_s = 20.0, 120
        for second in range(0, HOUR_S, STEP_S):
            self.clock.now_s += STEP_S
            rps = rps_at.get(second, rps)
            for process in list(self.processes):
                process.daemon.source.rps = rps  # type: ignore[attr-defined]
                if not await process.live(self.clock.now_s):
                    await self.end(process)
            self.check()
            if second >= trouble_s:
                await self.trouble()
                trouble_s += self.rng.randrange(150, 420)
            if len(self.processes) < 2 and second % 21 == 0:
                await self.add(rps)

    async def trouble(self) -> None:
        """The leader is killed, or stands still longer than its Lease and then goes on."""
        leaders = [process for process in self.processes if process.leader.leads()]
        for process in leaders:
            self.kills.append(self.clock.now_s)
            if self.rng.random() < 0.5:
                await self.end(process)
            else:
                process.frozen_until_s = self.clock.now_s + self.rng.randrange(40, 90)

    async def end(self, process: Process) -> None:
        process.task.cancel()
        (ended,) = await asyncio.gather(process.task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError | LostLease)
        await process.leader.close()
        self.processes.remove(process)

    def check(self) -> None:
        assert sum(process.leader.leads() for process in self.processes) <= 1


async def test_an_hour_in_which_leaders_die_has_one_writer_and_no_scale_in_by_hand_over(tmp_path: Path) -> None:
    hour = Hour(tmp_path, random.Random(7))
    await hour.add(20.0)
    await hour.add(20.0)
    await hour.run({0: 20.0, 900: 45.0, 1800: 20.0})
    for process in list(hour.processes):
        await hour.end(process)
    writers = [name for _, name, _ in hour.writes]
    handovers = [after[0] for before, after in pairwise(hour.writes) if before[1] != after[1]]
    assert len(handovers) >= 6 and len(handovers) == len(set(writers)) - 1  # nobody who lost it writes again
    for before, after in pairwise(hour.writes):
        settling = any(at_s <= after[0] < at_s + AUTO.scale_in.settle_after_restart_s for at_s in handovers)
        assert after[2] >= before[2] or not settling
    times = [at_s for at_s, _, _ in hour.writes]
    for killed_s in hour.kills:
        after_s = min((at_s for at_s in times if at_s > killed_s), default=hour.clock.now_s)
        assert after_s - killed_s <= TERMS.duration_s + TERMS.retry_s + STEP_S


async def test_a_follower_looks_on_and_writes_nothing(world: World) -> None:
    leader = await world.start()
    await loop.one(leader, world.clock.now_s)
    follower = await world.start()
    follower.acting = False
    before = (leader.ledger.list("chat"), leader.history.last_at("chat"), list(world.fleet.applied))
    for index in range(1, 4):
        await loop.one(follower, world.clock.now_s + index * INTERVAL_S)
    assert (leader.ledger.list("chat"), leader.history.last_at("chat"), world.fleet.applied) == before
    known = follower.memory.services["chat"]
    assert known.observation is not None and known.observation.valid and known.forecast is not None
    assert follower.memory.tally.decisions == {}


async def test_what_was_learned_meanwhile_is_taken_over(world: World) -> None:
    world.fleet.history = {"chat": [[world.clock.now_s + 60 * m, 5.0 + m % 7, 1000.0, 200.0] for m in range(-600, 1)]}
    leader, follower = await world.start(), await world.start()
    follower.acting = False
    mind = leader.minds["chat"].forecaster
    mind.refit()
    leader.models.keep("chat", world.clock.now_s, mind.panel)
    await loop.turn(follower, loop.told(follower, world.clock.now_s + INTERVAL_S))
    assert follower.acting and acts(follower)
    assert "linear" in follower.minds["chat"].forecaster.panel.fits


async def test_who_is_alone_leads() -> None:
    alone = Alone()
    await alone.acquire()
    assert alone.leads() and alone.holder == ""
    await alone.release()
    await alone.close()
