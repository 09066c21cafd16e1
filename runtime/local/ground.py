"""What the replicas of one local fleet have in common: bounds, clock, folder, slots, and what happened so far."""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from runtime.clock import Clock
from runtime.fleet import LeadTimeSample
from runtime.local import record
from runtime.local.command import HOST, fingerprint
from runtime.local.events import Events
from runtime.local.lane import Lane
from runtime.local.process import Bounds
from runtime.local.record import Record
from runtime.local.replica import LocalReplica
from runtime.local.spec import LocalSpec

SAMPLES = 1000


@dataclass(slots=True)
class Ground:
    """Shared by all steps of all replicas; everything happens in one event loop."""

    spec: LocalSpec
    clock: Clock
    http: httpx.AsyncClient
    lanes: dict[tuple[str, str], Lane]
    replicas: dict[str, LocalReplica] = field(default_factory=dict)
    events: Events = field(default_factory=Events)
    samples: deque[LeadTimeSample] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    @property
    def bounds(self) -> Bounds:
        """For wardens."""
        spec = self.spec
        return Bounds(spec.orphan_s, spec.grace_s, spec.log_bytes, spec.log_count)

    def folder(self, replica: LocalReplica) -> Path:
        """Where its state and logs are."""
        return self.spec.home / "replicas" / replica.name

    def lane(self, replica: LocalReplica) -> Lane | None:
        """Its pool; None where it is not, or no longer, one as that pool's are."""
        lane = self.lanes.get((replica.engine.service, replica.engine.pool))
        return lane if lane and lane.engine == replica.engine else None

    async def now(self) -> float:
        """UTC seconds."""
        return await self.clock.now()

    async def pause(self, seconds: float | None = None) -> float:
        """Wait, for one look where nothing else is said; gives the time then."""
        wait_s = self.spec.look_s if seconds is None else seconds
        return await self.clock.sleep_until(await self.clock.now() + wait_s)

    async def say(self, replica: LocalReplica, what: str, why: str = "") -> None:
        """Note an event of that replica."""
        self.events.add(await self.now(), replica.engine.pool, replica.name, what, why)

    async def waits(self, replica: LocalReplica, why: str) -> None:
        """It waits, which is said once for each reason, and looks again a moment later."""
        if replica.waits_for != why:
            replica.waits_for = why
            await self.say(replica, "waiting", why)
        await self.pause()

    async def measured(self, replica: LocalReplica) -> None:
        """What began at ``moved_s`` has made it ready."""
        now_s = await self.now()
        took_s = now_s - replica.moved_s
        self.samples.append(LeadTimeSample(replica.engine.pool, replica.origin, took_s, now_s))
        await self.say(replica, "ready", f"{took_s:.2f} s from {replica.origin}")

    def write_down(self, replica: LocalReplica) -> None:
        """For the fleet after this one; nothing where there is no process to find again. A full disk ends no replica:
        it is told, and costs at most an adoption.
        """
        if replica.process is None or replica.slot is None:
            return
        engine, slot = replica.engine, replica.slot
        written = Record(
            name=replica.name,
            service=engine.service,
            pool=engine.pool,
            slot=slot,
            port=replica.port,
            fingerprint=fingerprint(engine, slot),
            sleep=engine.sleep,
            tier=replica.tier,
            started_s=replica.moved_s,
            golden=replica.golden,
        )
        try:
            record.write(self.folder(replica), written)
        except OSError as error:
            self.events.add(replica.since_s, engine.pool, replica.name, "not written down", str(error))

    def free_port(self) -> int | None:
        """A port that neither a replica nor anybody else has; None where all are taken."""
        taken = {replica.port for replica in self.replicas.values() if replica.process}
        first, last = self.spec.ports
        return next((port for port in range(first, last + 1) if port not in taken and _free(port)), None)


def _free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True
