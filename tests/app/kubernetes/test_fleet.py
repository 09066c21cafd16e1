"""The cluster's fleet as the loop knows fleets: it starts by itself, and what it cannot tell is an expected error."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from app.daemon.loop import one
from app.daemon.tick import tick
from app.kubernetes.fleet import OutOfReach
from runtime.fleet import PoolTarget, RackTarget
from tests.app.fakes import START_S, FakeFleet, World
from tests.app.kubernetes.conftest import Setting


def down(request: httpx.Request) -> httpx.Response | None:
    return httpx.Response(503, json={"message": "etcd has no leader"})


async def test_it_starts_when_it_is_asked(setting: Setting) -> None:
    fleet = setting.fleet()
    assert fleet.targets() is None
    found = await fleet.replicas()
    assert [(r.service, r.pool, r.serving) for r in found] == [("chat", "chat-h100", True)] * 2
    assert {key: target.name for key, target in (fleet.targets() or {}).items()} == {("chat", "chat-h100"): "chat"}
    assert await fleet.racks() == () and await fleet.past() == {} and await fleet.nodes() == ()


async def test_a_server_in_trouble_is_an_expected_error_and_asked_again(setting: Setting) -> None:
    fleet = setting.fleet(first_s=0.2)
    setting.cluster.server.faults.append(down)
    with pytest.raises(OutOfReach, match="no first picture"):
        await fleet.replicas()
    setting.cluster.server.faults.clear()
    fleet.spec = replace(fleet.spec, first_s=10.0)
    assert len(await fleet.replicas()) == 2


async def test_an_old_picture_is_no_answer(setting: Setting) -> None:
    fleet = setting.fleet()
    await fleet.replicas()
    setting.cluster.clock.now_s += 121
    with pytest.raises(OutOfReach, match="too old"):
        await fleet.replicas()


async def test_a_target_becomes_a_count(setting: Setting) -> None:
    fleet = setting.fleet()
    await fleet.apply([PoolTarget("chat", "chat-h100", 3)], "d1")
    assert setting.cluster.replicas("chat") == 3


async def test_who_may_not_write_moves_nothing(setting: Setting) -> None:
    fleet = setting.fleet(lambda: False)
    with pytest.raises(OutOfReach, match="not the leader"):
        await fleet.apply([PoolTarget("chat", "chat-h100", 3)], "d1")
    assert setting.cluster.replicas("chat") == 2 and setting.cluster.server.writes == []
    assert [hold.reason for holds in fleet.holds().values() for hold in holds] == ["NotLeading"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (PoolTarget("chat", "chat-l4", 1), "no workload in llm is pool chat-l4 of chat; label one"),
        (PoolTarget("chat", "chat-h100", 2, asleep=1), "its engine cannot sleep; give 0"),
    ],
)
async def test_what_cannot_be_done_is_one_line_and_no_defect(setting: Setting, target: PoolTarget, why: str) -> None:
    with pytest.raises(OutOfReach, match=why):
        await setting.fleet().apply([target], "d1")
    assert setting.cluster.replicas("chat") == 2


async def test_there_are_no_racks(setting: Setting) -> None:
    with pytest.raises(OutOfReach, match="has no racks"):
        await setting.fleet().hold([RackTarget("r", 1)], "d1")


async def test_a_rival_is_why_a_pool_is_not_moved(setting: Setting) -> None:
    setting.cluster.autoscaler("chat")
    fleet = setting.fleet()
    assert fleet.holds() == {}
    await fleet.replicas()
    (hold,) = fleet.holds()["chat", "chat-h100"]
    assert hold.reason == "ScaledByHorizontalPodAutoscaler"


async def test_a_cluster_out_of_reach_is_a_gap_and_never_a_scale_in(world: World, setting: Setting) -> None:
    """The loop's own test of it: the observation is not valid, and the decision holds what there is."""
    setting.cluster.server.faults.append(down)
    daemon = await world.start()
    world.source.rps = 40.0
    for index in range(6):
        await tick(daemon, START_S + 15 * index)
    high = world.fleet.target.active
    assert isinstance(daemon.fleet, FakeFleet) and high > 1
    daemon.fleet = setting.fleet(first_s=0.2)
    world.source.rps = 0.1
    await one(daemon, START_S + 15 * 6)
    known = daemon.memory.services["chat"]
    assert daemon.memory.tally.failed_ticks == 1  # the cluster did not hear of it either
    assert "fleet" in {gap.subject for gap in daemon.memory.gaps}
    assert known.decision is not None and known.decision.plan.total.active >= high
