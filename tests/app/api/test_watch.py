"""A policy applied through the API is on watch, and what burns the error budget is taken back: in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.attention import attention
from app.daemon import loop
from app.daemon.parts import Daemon
from app.daemon.trials import advance
from autoscaler.policy import Policy
from runtime.simulated.world import World
from tests.app.api.conftest import app_of
from tests.app.api.test_policies import BY, PATH, draft, put
from tests.autoscaler.backtest.cases import POLICY, START_S, case, trace
from tests.autoscaler.backtest.test_parity import daemon_over

TICK_S = 15.0
APPLIED_S = 300.0
WATCH = f"{PATH}/watch"


class Fleet:
    """A simulated fleet under a steady load, a daemon over it and its API, moved by hand."""

    def __init__(self, world: World, daemon: Daemon) -> None:
        self.world, self.daemon, self.ticks = world, daemon, 0
        transport = httpx.ASGITransport(app_of(daemon))
        self.api = httpx.AsyncClient(transport=transport, base_url="http://api")

    async def run(self, until_s: float) -> None:
        while self.ticks * TICK_S < until_s:
            self.ticks += 1
            at_s = START_S + self.ticks * TICK_S
            self.world.run_until(at_s)
            await loop.one(self.daemon, loop.told(self.daemon, at_s))
            await advance(self.daemon)

    async def apply(self, policy: Policy, watch_s: float = 900.0) -> dict[str, Any]:
        body = {"policy": policy.model_dump(mode="json"), "base_version": 1, "watch_s": watch_s, **BY}
        answer = await self.api.put(PATH, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def watch(self) -> dict[str, Any]:
        return dict((await self.api.get(WATCH)).json())


@pytest.fixture
async def fleet(tmp_path: Path) -> Fleet:
    of = case(trace(2400.0, rps=30.0, growth=1.0))
    world = of.world()
    fleet = Fleet(world, await daemon_over(world, of, tmp_path))
    await fleet.run(APPLIED_S)
    return fleet


def bounded(most: int) -> Policy:
    scale_in = {"settle_after_restart_s": 300}
    return Policy.model_validate(
        POLICY.model_dump() | {"mode": "auto", "replicas": {"max": most}, "scale_in": scale_in}
    )


async def test_a_bad_policy_is_taken_back_and_nothing_scales_in(fleet: Fleet) -> None:
    await fleet.apply(bounded(1))
    await fleet.run(APPLIED_S + 900.0)
    watch = await fleet.watch()
    assert (watch["outcome"], watch["version"], watch["base_version"]) == ("rolled_back", 2, 1)
    newest = (await fleet.api.get(PATH)).json()
    assert (newest["version"], newest["author"]) == (3, "leadtime")
    assert newest["reason"].startswith("rolled back to version 1: version 2 burns the error budget")
    assert newest["policy"] == (await fleet.api.get(f"{PATH}/history")).json()[2]["policy"]
    (item,) = [i for i in attention(fleet.daemon.memory, fleet.daemon.memory.now_s) if "taken back" in i.text]
    assert item.severity == "critical"
    back_s = watch["ended_at_s"]
    after = [e.decision for e in fleet.daemon.ledger.list("chat", 1000) if back_s < e.decision.at_s < back_s + 300]
    wanted = [decision.plan.targets[0].active for decision in reversed(after)]
    assert wanted == sorted(wanted) and wanted[-1] > 1


async def test_a_good_policy_passes(fleet: Fleet) -> None:
    applied = await fleet.apply(bounded(7))
    await fleet.run(APPLIED_S + 1000.0)
    watch = await fleet.watch()
    assert watch["outcome"] == "passed" and "passed its watch of 15 min" in watch["said"]
    assert (await fleet.api.get(PATH)).json() == applied
    assert watch["late_before"] is not None and watch["missing_s"] == 0


async def test_a_gap_makes_the_watch_longer_and_says_so(fleet: Fleet) -> None:
    await fleet.apply(bounded(7))
    fleet.daemon.previous = None  # as after a restart: no interval to measure
    await fleet.run(APPLIED_S + 60.0)
    watch = await fleet.watch()
    # From the change, some time after the last look, to the next one, which had nothing to compare with.
    assert watch["outcome"] == "watching" and 0 < watch["missing_s"] <= TICK_S
    (text,) = [i.text for i in attention(fleet.daemon.memory, fleet.daemon.memory.now_s) if "on watch" in i.text]
    assert "longer, as nothing was measured" in text


async def test_a_second_edit_ends_the_watch_of_the_first(fleet: Fleet) -> None:
    await fleet.apply(bounded(1))
    change = {"policy": bounded(6).model_dump(mode="json"), "base_version": 2, "watch_s": 0, **BY}
    assert (await fleet.api.put(PATH, json=change)).json()["version"] == 3
    await fleet.run(APPLIED_S + 300.0)
    watch = await fleet.watch()
    assert watch["outcome"] == "ended" and "version 3 came" in watch["said"]
    assert (await fleet.api.get(PATH)).json()["version"] == 3


async def test_an_edit_at_the_last_moment_is_not_written_over(fleet: Fleet) -> None:
    await fleet.apply(bounded(1))
    later, current = bounded(6), fleet.daemon.policies.current
    rollback = fleet.daemon.policies.rollback

    def faster(*given: Any) -> Any:
        fleet.daemon.policies.write("chat", later, 2, "bob", "more room", fleet.daemon.memory.now_s)
        return rollback(*given)

    fleet.daemon.policies.rollback = faster  # type: ignore[method-assign]
    await fleet.run(APPLIED_S + 600.0)
    newest = current("chat")
    assert newest is not None and (newest.author, newest.policy) == ("bob", later)
    assert (await fleet.watch())["outcome"] == "ended"


async def test_what_does_not_act_or_is_not_asked_for_is_not_watched(api: httpx.AsyncClient) -> None:
    policy = draft() | {"mode": "shadow"}
    await api.put(PATH, json={"policy": policy, "base_version": 1, **BY})
    await api.put(PATH, json={"policy": draft(min=2), "base_version": 2, "watch_s": 0, **BY})
    answer = await api.get(WATCH)
    assert answer.status_code == 404 and "on watch yet" in answer.json()["detail"]


async def test_a_watch_is_ended_by_hand_once(api: httpx.AsyncClient) -> None:
    await put(api, 1, min=2)
    by = {"author": "bob", "reason": "known to be dear"}
    ended = (await api.post(f"{WATCH}/end", json=by)).json()
    assert (ended["outcome"], ended["said"]) == ("ended", "ended by bob: known to be dear")
    assert (await api.post(f"{WATCH}/end", json=by)).status_code == 409
