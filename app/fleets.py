"""From settings to fleets: the one place that knows what stands behind each kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import UserError
from app.fleetsettings import GIB, TOKEN_LEAST, LaunchSettings, LocalSettings, SlotSettings
from app.settings import PoolSettings, Settings
from runtime.agent.client import RemoteFleet
from runtime.clock import WallClock
from runtime.local.spec import UNBOUND, EngineSpec, Kind, LocalSpec, Slot
from runtime.simulated.client import SimulatedClock, SimulatedFleet

if TYPE_CHECKING:
    from app.daemon.parts import HttpFleet, PacedClock


def fleet_of(settings: Settings) -> HttpFleet:
    """What moves the replicas. Raises ``UserError`` for a token that cannot be read."""
    if settings.fleet.kind == "simulated":
        return SimulatedFleet(settings.fleet.url)
    return RemoteFleet(settings.fleet.url, token(settings.fleet.token_file))


def clock_of(settings: Settings) -> PacedClock:
    """Whose time it is: a simulated fleet has its own."""
    return SimulatedClock(settings.fleet.url) if settings.fleet.kind == "simulated" else WallClock()


def token(file: Path | None) -> str | None:
    """The token in a file, None without one; raises ``UserError`` for one that is no secret."""
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").split()
    except OSError as error:
        raise UserError(f"fleet.token_file: {file}: {error.strerror}; give a file with the agent's token") from None
    if len(lines) != 1 or len(lines[0]) < TOKEN_LEAST:
        raise UserError(f"fleet.token_file: {file}: give one word of at least {TOKEN_LEAST} characters")
    return lines[0]


def local_spec(settings: Settings) -> LocalSpec:
    """What the agent of this machine runs; raises ``UserError``, one line, for what cannot be."""
    local = settings.fleet.local
    if local is None:
        raise UserError("fleet.local is missing; give python and slots of this machine")
    launched = [
        (service.name, pool, pool.launch)
        for service in settings.services
        for pool in service.pools
        if pool.launch is not None
    ]
    if not launched:
        raise UserError("services: no pool has launch; give launch: {model: FOLDER} to those that run here")
    try:
        return LocalSpec(
            tuple(_engine(service, pool, launch, local) for service, pool, launch in launched),
            tuple(_slot(i, slot) for i, slot in enumerate(local.slots)),
            home=local.home.expanduser().resolve(),
            ports=local.ports,
            node=local.node,
            ready_within_s=local.ready_within_s,
            drain_s=local.drain_s,
            drain_limit_s=local.drain_limit_s,
            hang_s=local.hang_s,
            orphan_s=local.orphan_s,
        )
    except ValueError as error:
        raise UserError(f"fleet.local: {error}") from None


def _engine(service: str, pool: PoolSettings, launch: LaunchSettings, local: LocalSettings) -> EngineSpec:
    return EngineSpec(
        service,
        pool.name,
        launch.model,
        python=local.python,
        args=tuple(launch.args),
        env=launch.env,
        group=launch.group,
        gpus_per_replica=pool.gpus_per_replica,
        memory_bytes=round(launch.memory_gib * GIB),
        sleep=launch.sleep,
        load_format=launch.load_format,
    )


def _slot(index: int, slot: SlotSettings) -> Slot:
    kind = Kind.GPU if slot.gpus else Kind.CPU
    devices = slot.gpus or [UNBOUND if cores == "any" else cores for cores in slot.cores]
    return Slot(f"slot{index}", tuple(devices), kind, slot.group, round(slot.memory_gib * GIB))
