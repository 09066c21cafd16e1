"""Targets that change faster than replicas can follow, and engines that fail meanwhile: what must hold all the time."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from runtime.fleet import PoolTarget
from runtime.local.process import Process
from runtime.local.spec import Sleep
from runtime.replica import Transition
from tests.runtime.local.conftest import Played, cores, engine, until

STEPS = 8


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_slot_is_shared_awake_and_in_the_end_nothing_is_left(play: Callable[..., Any], seed: int) -> None:
    draw = random.Random(seed)
    pools = [engine("a", sleep=Sleep.PAUSE), engine("b", sleep=Sleep.PAUSE), engine("c")]
    played = await play(*pools, slots=cores(3), backoff_s=0.05, backoff_max_s=0.1)
    for _ in range(STEPS):
        await played.fleet.apply([target(pool.pool, draw) for pool in pools], "d1")
        if draw.random() < 0.3:
            kill_one(played, draw)
        for _ in range(4):
            await asyncio.sleep(draw.random() * 0.2)
            assert_one_awake_per_slot(played)
    await played.fleet.apply([PoolTarget("tiny", pool.pool, 0) for pool in pools], "d1")
    await until(lambda: not played.fleet._replicas, 30.0)
    folders = (played.fleet.spec.home / "replicas").iterdir()
    assert all(Process(folder).gone for folder in folders if (folder / "state.json").exists())


def target(pool: str, draw: random.Random) -> PoolTarget:
    asleep = draw.choice([0, 1]) if pool != "c" else 0
    return PoolTarget("tiny", pool, draw.choice([0, 0, 1, 2]), draw.choice([0, 1]), asleep, draw.choice([0, 0, 1]))


def kill_one(played: Played, draw: random.Random) -> None:
    running = [r.process for r in played.fleet._replicas.values() if r.process and r.process._engine_pid()]
    if running:
        try:
            os.kill(draw.choice(running)._engine_pid(), signal.SIGKILL)
        except ProcessLookupError:
            return


def assert_one_awake_per_slot(played: Played) -> None:
    for one, other in combinations([r for r in played.fleet._replicas.values() if r.slot and r.claims], 2):
        assert one.slot and other.slot and not one.slot.overlaps(other.slot), (one, other)
    for replica in played.fleet._replicas.values():
        serving = replica.serving and replica.transition is not Transition.FAILED
        assert not serving or (replica.ready and replica.admitted and not replica.asleep), replica
