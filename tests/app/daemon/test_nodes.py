"""Nodes are judged by who acts, after a tick, and only while something is scaled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.daemon.nodes import close_nodes
from app.daemon.parts import Daemon
from app.kubernetes.fleet import ClusterFleet
from autoscaler.policy import Mode
from collectors.observation import GpuSample
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import World


class Judging(ClusterFleet):
    """Says only that it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def judge(self, gpus: Sequence[GpuSample], now_s: float) -> None:
        self.asked.append(now_s)


async def judged(daemon: Daemon) -> int:
    daemon.fleet = fleet = Judging()
    await close_nodes(daemon)
    return len(fleet.asked)


@pytest.mark.parametrize(("mode", "times"), [(Mode.AUTO, 1), (Mode.SHADOW, 0)])
async def test_in_shadow_mode_no_node_is_touched(world: World, mode: Mode, times: int) -> None:
    daemon = await world.start()
    await ticks(daemon, 1)
    known = daemon.memory.services["chat"]
    known.policy = known.policy.model_copy(update={"mode": mode})
    assert await judged(daemon) == times


async def test_before_anything_was_seen_nothing_is_known(world: World) -> None:
    assert await judged(await world.start()) == 0


async def test_who_does_not_act_judges_nobody(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 1)
    daemon.acting = False
    assert await judged(daemon) == 0


async def test_a_fleet_without_nodes_has_none_to_close(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 1)
    await close_nodes(daemon)
