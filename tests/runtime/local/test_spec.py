"""Specifications that cannot be are refused with the line that says what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.local.spec import EngineSpec, Kind, LocalSpec, Sleep, Slot

ENGINE = EngineSpec("tiny", "p", "/model")
GPU = Slot("g0", ("0",))


def of(engine: EngineSpec = ENGINE, *slots: Slot, **changes: Any) -> LocalSpec:
    return LocalSpec((engine,), slots or (GPU,), Path("/home"), **changes)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: EngineSpec("tiny", "p", ""), "engine p: model is empty"),
        (lambda: EngineSpec("tiny", "p", "m", gpus_per_replica=0), "gpus_per_replica 1 or more"),
        (lambda: of(ENGINE, Slot("g0", ())), "slot g0: no devices"),
        (lambda: of(ENGINE, GPU, GPU), "slots: g0 is there twice"),
        (lambda: of(ENGINE, GPU, Slot("g1", ("0",))), "slots g0 and g1: they share a device"),
        (lambda: of(ENGINE, Slot("g0", ("0", "1"))), "slot g0: 2 GPUs, engine p needs 1"),
        (lambda: of(ENGINE, Slot("g0", ("0",), group="other")), "no slot is of group 'default'"),
        (lambda: of(EngineSpec("t", "p", "m", sleep=Sleep.LEVEL1), Slot("c", ("0",), Kind.CPU)), "pause or none"),
        (lambda: of(EngineSpec("t", "p", "m", memory_bytes=9), Slot("g", ("0",), memory_bytes=8)), "slot g has 8"),
        (lambda: of(ports=(9, 8)), "ports: 9 to 8"),
        (lambda: of(orphan_s=1.0), "orphan_s: 1.0 is too short"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_slots_overlap_where_they_share_a_device_of_a_kind() -> None:
    assert GPU.overlaps(Slot("g1", ("1", "0")))
    assert not GPU.overlaps(Slot("g1", ("1",)))
    assert not GPU.overlaps(Slot("c0", ("0",), Kind.CPU))


def test_engines_are_found_by_service_and_pool() -> None:
    assert of().engine("tiny", "p") is ENGINE
    with pytest.raises(KeyError):
        of().engine("tiny", "q")
