"""Finds the replicas that a fleet before this one left running, by what it wrote down."""

from __future__ import annotations

from pathlib import Path

from runtime.local import record
from runtime.local.command import HOST, fingerprint
from runtime.local.engine import Engine
from runtime.local.ground import Ground
from runtime.local.process import Process, forget
from runtime.local.record import Record
from runtime.local.replica import LocalReplica
from runtime.local.spec import EngineSpec
from runtime.replica import Tier, Transition

DEAD_KEPT = 20
"""Folders of replicas that are gone, kept for their logs."""


async def adopt(ground: Ground) -> list[LocalReplica]:
    """Those that run, on their way to the tier they were in. One that is no longer as specified serves on if it did,
    until others take its place, and stops if it did not.
    """
    alive, dead = [], []
    for folder in sorted((ground.spec.home / "replicas").iterdir()):
        process = Process(folder)
        if process.running:
            alive.append(process)
        else:
            process.kill_leftovers()
            dead.append(folder)
    forget(dead, DEAD_KEPT)
    return [replica for process in alive if (replica := await _adopted(process, ground))]


async def _adopted(process: Process, ground: Ground) -> LocalReplica | None:
    """The replica of that process; one without a record is nobody's and is ended."""
    try:
        found = record.read(process.folder)
    except ValueError as error:
        process.terminate()
        ground.events.add(await ground.now(), "", process.folder.name, "ended", str(error))
        return None
    lane = ground.lanes.get((found.service, found.pool))
    fits = lane is not None and fingerprint(lane.engine, found.slot) == found.fingerprint and _has(ground, found)
    engine = lane.engine if lane and fits else _stranger(found)
    stays = fits or (lane is not None and found.tier is Tier.ACTIVE)
    replica = _replica(found, engine, stays, process, ground, await ground.now())
    ground.replicas[replica.name] = replica
    why = f"runs in slot {found.slot.name}, port {found.port}"
    await ground.say(
        replica, "adopted", why if fits else f"{why}; it is no longer as specified, so it drains and stops"
    )
    return replica


def _replica(
    found: Record, engine: EngineSpec, stays: bool, process: Process, ground: Ground, now_s: float
) -> LocalReplica:
    tier = found.tier if stays else Tier.COLD
    return LocalReplica(
        name=found.name,
        engine=engine,
        tier=tier,
        transition=Transition.DRAINING if tier is Tier.COLD else Transition.WAKING,
        since_s=now_s,
        slot=found.slot,
        port=found.port,
        process=process,
        client=Engine(ground.http, f"http://{HOST}:{found.port}", found.service),
        claims=True,
        # What leaves is drained without being asked for a completion first: it may be asleep.
        ready=tier is Tier.COLD,
        admitted=True,
        adopted=True,
        origin=Tier.COLD,
        moved_s=found.started_s,
        left_s=now_s,
        ready_s=now_s,
        golden=found.golden,
    )


def _has(ground: Ground, found: Record) -> bool:
    return any(slot == found.slot for slot in ground.spec.slots)


def _stranger(found: Record) -> EngineSpec:
    """Enough of an engine to drain it."""
    return EngineSpec(found.service, found.pool, model="unknown", sleep=found.sleep)


def serial(home: Path) -> int:
    """The number of the last replica that had a name here."""
    file = home / "serial"
    return int(file.read_text()) if file.exists() else 0
