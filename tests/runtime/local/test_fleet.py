"""The life of replicas: tiers, drains, failures; each through real processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.fleet import RackTarget
from runtime.local.process import members
from runtime.local.spec import Sleep
from runtime.replica import Tier, Transition
from tests.runtime.local.conftest import Played, cores, engine, local, on_gpus, switch, until

Play = Callable[..., Any]


def pid_of(played: Played, name: str) -> int:
    process = played.fleet._ground.replicas[name].process
    assert process is not None
    return int(process._engine_pid())


async def test_a_replica_goes_from_cold_to_active_and_away_again(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (first,) = await played.all()
    assert first.transition is Transition.LAUNCHING
    (active,) = await played.settled(active=1)
    assert active.serving and active.base_url.startswith("http://127.0.0.1:") and active.gpus == ("0",)
    pid = pid_of(played, active.name)
    await played.want(active=0)
    (leaving,) = await played.all()
    assert (leaving.tier, leaving.transition) == (Tier.COLD, Transition.DRAINING)
    await played.settled()
    assert played.said("stopped") and not members(pid)


async def test_the_same_targets_again_change_nothing(play: Play) -> None:
    played = await play()
    for _ in range(3):
        await played.want(active=1, standby=1)
    before = await played.settled(active=1, standby=1)
    await played.want(active=1, standby=1)
    assert await played.settled(active=1, standby=1) == before


async def test_standby_comes_into_rotation_without_a_start(play: Play) -> None:
    played = await play()
    await played.want(standby=1)
    (standby,) = await played.settled(standby=1)
    await played.want(active=1)
    (active,) = await played.settled(active=1)
    assert active.name == standby.name
    assert [s.start for s in await played.fleet.lead_times()] == [Tier.COLD, Tier.STANDBY]


async def test_active_to_asleep_and_back(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (active,) = await played.settled(active=1)
    await played.want(asleep=1)
    await played.settled(asleep=1)
    await played.want(active=1)
    (again,) = await played.settled(active=1)
    assert again.name == active.name
    assert [s.start for s in await played.fleet.lead_times()] == [Tier.COLD, Tier.ASLEEP]


async def test_a_replica_with_requests_is_not_ended_but_waited_for(play: Play) -> None:
    played = await play(drain_s=0.2)
    await played.want(active=1)
    (active,) = await played.settled(active=1)
    await switch(active, busy=2)
    await played.want(active=0)
    await until(lambda: played.said("still draining"))
    (draining,) = await played.all()
    assert draining.transition is Transition.DRAINING
    await switch(active, busy=0)
    await played.settled()


async def test_a_hard_limit_ends_a_drain_and_says_what_it_cut_off(play: Play) -> None:
    played = await play(drain_limit_s=0.3)
    await played.want(active=1)
    (active,) = await played.settled(active=1)
    await switch(active, busy=2)
    await played.want(active=0)
    await played.settled()
    assert played.said("cut off") == ["2 requests after drain_limit_s 0.3"]


async def test_a_drain_is_undone_at_once(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (active,) = await played.settled(active=1)
    await switch(active, busy=1)
    await played.want(active=0)
    await played.want(active=1)
    (back,) = await played.all()
    assert back.serving and back.name == active.name


async def test_the_one_with_fewest_requests_leaves(play: Play) -> None:
    played = await play()
    await played.want(active=3)
    replicas = await played.settled(active=3)
    busy = replicas[:1] + replicas[2:]
    for replica in busy:
        await switch(replica, busy=3)
    await until(lambda: sum(r.load == 3 for r in played.fleet._ground.replicas.values()) == 2)
    await played.want(active=2)
    assert {r.name for r in await played.settled(active=2)} == {r.name for r in busy}


async def test_a_crashed_engine_is_seen_shown_and_replaced(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (first,) = await played.settled(active=1)
    await switch(first, crash=7)

    async def failed() -> bool:
        return any(r.transition is Transition.FAILED for r in await played.all())

    await until(failed)
    (second,) = await played.settled(active=1)
    assert second.name != first.name
    assert "exit 7" in played.said("crashed")[0]
    assert played.fleet.counts()["p", "crashed"] == 1


async def test_a_hung_engine_that_is_healthy_to_look_at_is_replaced(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (first,) = await played.settled(active=1)
    await switch(first, hang=1)
    await until(lambda: played.said("hung"))
    (second,) = await played.settled(active=1)
    assert second.name != first.name


async def test_a_busy_engine_is_not_hung(play: Play) -> None:
    played = await play(hang_s=0.6)
    await played.want(active=1)
    (first,) = await played.settled(active=1)
    await switch(first, busy=9)
    await asyncio.sleep(1.5)
    assert [r.name for r in await played.settled(active=1)] == [first.name]


async def test_a_crash_loop_backs_off(play: Play) -> None:
    played = await play(engine(env={"STAND_IN_CRASH": "1"}))
    await played.want(active=1)
    await until(lambda: played.fleet.counts().get(("p", "crashed"), 0) >= 3)
    assert "no such model" in played.said("crashed")[0]
    assert any(why.startswith("a pause after") for why in played.said("waiting"))
    await played.want(active=0)
    await played.settled()


async def test_a_disk_that_takes_nothing_fails_starts_and_nothing_else(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (first,) = await played.settled(active=1)
    replicas = played.fleet.spec.home / "replicas"
    (replicas / "tiny-p-0002").write_text("no folder")
    await played.want(active=2)
    await until(lambda: played.said("failed"))
    assert played.said("failed")[0].startswith("no process can be started")
    assert first.name in {replica.name for replica in await played.settled(active=2)}


async def test_somebody_else_on_its_port_is_not_taken_for_the_engine(play: Play) -> None:
    first = await play()
    second = await play(spec=local(first.fleet.spec.home / "other", ports=first.fleet.spec.ports))
    for played in (first, second):  # both choose the first port, one of them comes too late
        await played.want(active=1)
    urls = [replica.base_url for played in (first, second) for replica in await played.settled(active=1)]
    assert len(set(urls)) == 2
    assert len(first.said("failed") + first.said("crashed") + second.said("failed") + second.said("crashed")) == 1


async def test_a_launch_without_a_slot_waits_and_says_so(play: Play) -> None:
    played = await play(slots=cores(1))
    await played.want(active=2)
    await until(lambda: played.said("waiting"))
    waiting = [r for r in await played.all() if r.transition is Transition.LAUNCHING and not r.gpus]
    assert len(waiting) == 1 and played.said("waiting") == ["no slot of group default is free"]
    await played.want(active=1)
    await played.settled(active=1)


async def test_a_warm_node_holds_a_slot_that_the_next_launch_uses(play: Play) -> None:
    played = await play(slots=cores(1))
    await played.want(warm_node=1)
    (reserved,) = await played.settled(warm_node=1)
    assert reserved.gpus == ("0",) and not reserved.base_url
    await played.want(active=1)
    await played.settled(active=1)
    assert [s.start for s in await played.fleet.lead_times()] == [Tier.WARM_NODE]


async def test_what_is_to_be_avoided_leaves_after_its_replacement_was_asked_for(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (first,) = await played.settled(active=1)
    await played.want(active=1, avoid=(first.name,))
    await until(lambda: played.said("stopped"))
    (second,) = await played.settled(active=1)
    assert second.name != first.name


@pytest.mark.parametrize(
    ("pool", "numbers", "error", "says"),
    [
        ("p", {"asleep": 1}, ValueError, "pool p: asleep 1, and its engine has sleep none"),
        ("p", {"active": -1}, ValueError, "pool p: active -1 is below 0"),
        ("q", {"active": 1}, KeyError, "q"),
    ],
)
async def test_targets_that_cannot_be_are_refused(
    play: Play, pool: str, numbers: dict[str, int], error: type[Exception], says: str
) -> None:
    played = await play(engine())
    with pytest.raises(error, match=says):
        await played.want(pool, **numbers)
    assert await played.all() == []


async def test_sleepers_that_do_not_fit_into_host_memory_are_refused(play: Play, tmp_path: Path) -> None:
    spec = on_gpus(tmp_path, engine(sleep=Sleep.LEVEL1, memory_bytes=60), host_memory_bytes=100)
    played = await play(spec=spec)
    with pytest.raises(ValueError, match="asleep p 2: 120 bytes of host memory, 100 are there"):
        await played.want(asleep=2)


async def test_level_2_comes_back_only_with_its_weights(play: Play, tmp_path: Path) -> None:
    played = await play(spec=on_gpus(tmp_path, engine(sleep=Sleep.LEVEL2)))
    await played.want(active=1)
    (first,) = await played.settled(active=1)
    await played.want(asleep=1)
    await played.settled(asleep=1)
    await played.want(active=1)
    (same,) = await played.settled(active=1)
    assert same.name == first.name and not played.said("wake failed")


@pytest.mark.parametrize("fault", ["forget", "refuse"])
async def test_a_wake_that_fails_becomes_a_cold_start(play: Play, tmp_path: Path, fault: str) -> None:
    played = await play(spec=on_gpus(tmp_path, engine(sleep=Sleep.LEVEL2)))
    await played.want(active=1)
    (first,) = await played.settled(active=1)
    await switch(first, **{fault: 1})
    await played.want(asleep=1)
    await played.settled(asleep=1)
    await played.want(active=1)
    await played.settled(active=1)
    assert "a cold start instead" in played.said("wake failed")[0]
    assert [s.start for s in await played.fleet.lead_times()] == [Tier.COLD, Tier.COLD]


async def test_there_are_no_racks(play: Play) -> None:
    played = await play()
    assert await played.fleet.racks() == () and await played.fleet.nodes() == ()
    with pytest.raises(KeyError):
        await played.fleet.hold([RackTarget("r", 1)], "d1")
