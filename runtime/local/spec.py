"""What a local fleet is told: the engines it may run, the devices they run on, and its bounds.

Everything here is checked when it is made: a mistake is one line that names the field and what would be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from pathlib import Path

VLLM = ("-m", "vllm.entrypoints.openai.api_server")

NODE = "local"

UNBOUND = "nobind"
"""In place of CPU cores: the engine runs where the system puts it. Slots may have that in common."""


class Sleep(StrEnum):
    """What ``asleep`` means for an engine: weights to host memory, weights dropped, or only its scheduler paused."""

    NONE = "none"
    LEVEL1 = "level1"
    LEVEL2 = "level2"
    PAUSE = "pause"


class Kind(StrEnum):
    """What a slot consists of."""

    GPU = "gpu"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """One way to run a service on this machine: a pool.

    ``model`` is a folder or a name that the engine knows, ``python`` the interpreter that has vLLM, ``entry`` what it
    runs. A replica takes one slot of the ``group``, whose slots must have ``gpus_per_replica`` devices where they are
    GPUs, and uses ``memory_bytes`` of it while awake (0: not known, not checked).
    """

    service: str
    pool: str
    model: str
    python: str = "python3"
    entry: tuple[str, ...] = VLLM
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    group: str = "default"
    gpus_per_replica: int = 1
    memory_bytes: int = 0
    sleep: Sleep = Sleep.NONE
    load_format: str = "auto"

    def __post_init__(self) -> None:
        for name in ("service", "pool", "model", "python"):
            if not getattr(self, name):
                raise ValueError(f"engine {self.pool or self.service}: {name} is empty; name one")
        if self.memory_bytes < 0 or self.gpus_per_replica < 1:
            raise ValueError(f"engine {self.pool}: memory_bytes must be 0 or more, gpus_per_replica 1 or more")


@dataclass(frozen=True, slots=True)
class Slot:
    """Devices for one awake replica: GPU ids or CPU cores; ``memory_bytes`` of them together, 0 where not known."""

    name: str
    devices: tuple[str, ...]
    kind: Kind = Kind.GPU
    group: str = "default"
    memory_bytes: int = 0

    def overlaps(self, other: Slot) -> bool:
        """Whether they have a device in common; engines that are not bound to cores have none."""
        common = set(self.devices) & set(other.devices) - {UNBOUND}
        return self.name == other.name or (self.kind is other.kind and bool(common))


@dataclass(frozen=True, slots=True)
class LocalSpec:
    """All of it. Times are seconds.

    ``home`` is the folder for state, logs and the compile cache; one fleet at a time runs in it. A start may take
    ``ready_within_s``. A replica that left rotation is believed to be empty no sooner than ``settle_s`` later, for
    routers notice with a delay; one that is not after ``drain_s`` is reported and waited for, and only where there is
    a ``drain_limit_s`` is it ended then, with the requests it has. One whose engine makes no progress for ``hang_s``
    is replaced. Engines outlive a fleet that was killed by ``orphan_s``. After failures in a row a pool's next start
    waits ``backoff_s``, doubling up to ``backoff_max_s``; one that served for ``steady_s`` begins anew.
    """

    engines: tuple[EngineSpec, ...]
    slots: tuple[Slot, ...]
    home: Path
    ports: tuple[int, int] = (8910, 8999)
    node: str = NODE
    ready_within_s: float = 600.0
    settle_s: float = 2.0
    drain_s: float = 60.0
    drain_limit_s: float | None = None
    hang_s: float = 60.0
    orphan_s: float = 120.0
    grace_s: float = 15.0
    look_s: float = 0.5
    backoff_s: float = 1.0
    backoff_max_s: float = 300.0
    steady_s: float = 600.0
    failed_shown_s: float = 10.0
    host_memory_bytes: int = 0
    log_bytes: int = 10_000_000
    log_count: int = 3

    def __post_init__(self) -> None:
        self._check_names()
        self._check_slots()
        for engine in self.engines:
            self._check_engine(engine)
        first, last = self.ports
        if not 1 <= first <= last <= 65535:
            raise ValueError(
                f"ports: {first} to {last} is no range of ports; give the first and the last, as 8910, 8999"
            )
        if self.orphan_s <= 2 * self.look_s:
            raise ValueError(f"orphan_s: {self.orphan_s} is too short; it must be over twice look_s, {self.look_s}")

    def engine(self, service: str, pool: str) -> EngineSpec:
        """Raises KeyError where there is none."""
        for engine in self.engines:
            if (engine.service, engine.pool) == (service, pool):
                return engine
        raise KeyError(f"{service} {pool}")

    def _check_names(self) -> None:
        for what, names in (
            ("engines", [f"{e.service} {e.pool}" for e in self.engines]),
            ("slots", [s.name for s in self.slots]),
        ):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what}: {', '.join(sorted(twice))} is there twice; names must differ")

    def _check_slots(self) -> None:
        for slot in self.slots:
            if not slot.devices:
                raise ValueError(f"slot {slot.name}: no devices; name GPU ids or CPU cores")
        for one, other in combinations(self.slots, 2):
            if one.overlaps(other):
                raise ValueError(f"slots {one.name} and {other.name}: they share a device; each needs its own")

    def _check_engine(self, engine: EngineSpec) -> None:
        slots = [slot for slot in self.slots if slot.group == engine.group]
        if not slots:
            raise ValueError(f"engine {engine.pool}: no slot is of group {engine.group!r}; give one that group")
        for slot in slots:
            if slot.kind is Kind.GPU and len(slot.devices) != engine.gpus_per_replica:
                have, want = len(slot.devices), engine.gpus_per_replica
                raise ValueError(f"slot {slot.name}: {have} GPUs, engine {engine.pool} needs {want} per replica")
            if slot.kind is Kind.CPU and engine.sleep in (Sleep.LEVEL1, Sleep.LEVEL2):
                raise ValueError(f"engine {engine.pool}: sleep {engine.sleep} needs GPUs; on CPU cores, pause or none")
            if 0 < slot.memory_bytes < engine.memory_bytes:
                raise ValueError(
                    f"engine {engine.pool}: needs {engine.memory_bytes} bytes, slot {slot.name} has {slot.memory_bytes}"
                )
