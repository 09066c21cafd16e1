"""Which slot a replica may use, as pure functions.

A slot has one awake engine at a time. Others may sleep in it where their pools can; a paused one keeps its memory, so
it counts with the awake one against the slot's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runtime.local.replica import LocalReplica
from runtime.local.spec import EngineSpec, Sleep, Slot


def find(engine: EngineSpec, slots: Sequence[Slot], replicas: Iterable[LocalReplica]) -> Slot | None:
    """A slot for a new replica, an empty one first; None where there is none now."""
    placed = [replica for replica in replicas if replica.slot]
    fit = [slot for slot in slots if slot.group == engine.group and _fits(engine, slot, _in(slot, placed))]
    return min(fit, key=lambda slot: len(_in(slot, placed)), default=None)


def in_the_way(replica: LocalReplica, replicas: Iterable[LocalReplica]) -> list[LocalReplica]:
    """Who else claims devices of its slot."""
    assert replica.slot is not None
    return [other for other in _in(replica.slot, replicas) if other is not replica and other.claims]


def host_bytes(engine: EngineSpec, asleep: int) -> int:
    """Host memory that so many sleeping replicas hold."""
    return asleep * engine.memory_bytes if engine.sleep is Sleep.LEVEL1 else 0


def _in(slot: Slot, replicas: Iterable[LocalReplica]) -> list[LocalReplica]:
    return [replica for replica in replicas if replica.slot and slot.overlaps(replica.slot)]


def _fits(engine: EngineSpec, slot: Slot, there: Sequence[LocalReplica]) -> bool:
    """Nobody uses it, and who sleeps there is of another pool, for a pool's own sleeper is woken instead."""
    if any(replica.claims or replica.engine.pool == engine.pool for replica in there):
        return False
    if there and engine.sleep is Sleep.NONE:
        return False  # it could not make room for the sleepers again, they would wait for its end
    held = sum(replica.engine.memory_bytes for replica in there if replica.engine.sleep is Sleep.PAUSE)
    return slot.memory_bytes == 0 or held + engine.memory_bytes <= slot.memory_bytes
