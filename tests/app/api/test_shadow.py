"""Candidates in shadow through the API: they change nothing, are told apart in money and attainment, and promoted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.daemon.parts import Daemon
from app.daemon.trials import advance
from autoscaler.policy import Mode, Policy
from tests.app.api.conftest import app_of
from tests.app.api.test_policies import BY, PATH, draft, put
from tests.app.api.test_watch import Fleet
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import INTERVAL_S, START_S, World
from tests.autoscaler.backtest.cases import POLICY, case, trace
from tests.autoscaler.backtest.test_parity import daemon_over

SHADOW = f"{PATH}/shadow"


async def start(api: httpx.AsyncClient, policy: dict[str, Any]) -> dict[str, Any]:
    answer = await api.put(SHADOW, json={"policy": policy, **BY})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def run(daemon: Daemon, count: int, first: int) -> None:
    for index in range(first, first + count):
        await ticks(daemon, 1, index)
        await advance(daemon)


async def test_more_headroom_costs_more_and_attains_no_less(tmp_path: Path) -> None:
    """Twenty minutes, the load growing to four times what it was, on a simulated fleet in virtual time."""
    of = case(trace(1200.0, rps=15.0, growth=4.0), POLICY.model_copy(update={"mode": Mode.AUTO}))
    world = of.world()
    fleet = Fleet(world, await daemon_over(world, of, tmp_path))
    await fleet.run(60.0)
    careful = POLICY.model_dump(mode="json") | {"risk": {"headroom": 1.6}}
    await start(fleet.api, careful)
    await fleet.run(1200.0)
    told = (await fleet.api.get(SHADOW)).json()
    live, candidate = told["live"], told["candidate"]
    assert candidate["gpu_hours"] > live["gpu_hours"] and candidate["cost_usd"] > live["cost_usd"]
    assert candidate["attainment_estimate"] >= live["attainment_estimate"]
    assert live["attainment_measured"] is not None and candidate["attainment_measured"] is None
    assert 0 < told["disagreed_s"] <= told["both_s"] == pytest.approx(1140.0)
    assert told["differences"][0]["candidate_active"] > told["differences"][0]["live_active"]
    decided = {entry.decision.id for entry in fleet.daemon.ledger.list("chat", 1000)}
    assert len(decided) == fleet.ticks  # none of the candidate's


async def test_a_twin_beside_a_real_fleet_costs_what_it_costs(tmp_path: Path) -> None:
    """Starts take the mean of the lead times instead of a drawn one: that is all that may tell them apart."""
    of = case(trace(900.0, rps=15.0, growth=3.0), POLICY.model_copy(update={"mode": Mode.AUTO}))
    world = of.world()
    fleet = Fleet(world, await daemon_over(world, of, tmp_path))
    await fleet.run(60.0)
    await start(fleet.api, of.policy.model_dump(mode="json"))
    await fleet.run(900.0)
    told = (await fleet.api.get(SHADOW)).json()
    assert told["candidate"]["gpu_hours"] == pytest.approx(told["live"]["gpu_hours"], rel=0.05)
    assert told["disagreed_s"] <= 0.2 * told["both_s"]


async def test_a_candidate_survives_a_restart(world: World, api: httpx.AsyncClient, daemon: Daemon) -> None:
    await start(api, draft(min=3))
    await run(daemon, 4, first=4)
    before = (await api.get(SHADOW)).json()
    world.clock.now_s = START_S + 7 * INTERVAL_S
    again = await world.start()
    await run(again, 2, first=8)
    found = again.memory.services["chat"].shadow
    assert found is not None and found.tally.both_s == before["both_s"] + 30.0


async def test_one_candidate_at_a_time(api: httpx.AsyncClient) -> None:
    assert (await api.get(SHADOW)).status_code == 404
    first = await start(api, draft(min=3))
    assert (first["number"], first["wants_active"]) == (1, None)
    refused = await api.put(SHADOW, json={"policy": draft(min=4), **BY})
    assert refused.status_code == 409 and "stop or promote it first" in refused.json()["detail"]
    stopped = (await api.post(f"{SHADOW}/stop", json=BY)).json()
    assert stopped["outcome"] == "stopped by ada: launch day"
    assert (await api.post(f"{SHADOW}/stop", json=BY)).status_code == 409
    assert (await start(api, draft(min=4)))["number"] == 2


async def test_what_was_stopped_is_not_brought_back_by_a_tick(api: httpx.AsyncClient, daemon: Daemon) -> None:
    await start(api, draft(min=3))
    await run(daemon, 2, first=4)
    await api.post(f"{SHADOW}/stop", json=BY)
    await run(daemon, 2, first=6)
    told = (await api.get(SHADOW)).json()
    assert told["ended_at_s"] is not None and told["both_s"] == 30.0


async def test_promotion_is_a_version_like_any_other_and_who_acts_stays(api: httpx.AsyncClient) -> None:
    candidate = draft(min=3) | {"mode": "shadow"}
    await start(api, candidate)
    promoted = (await api.post(f"{SHADOW}/promote", json={"base_version": 1, **BY})).json()
    assert (promoted["version"], promoted["policy"]) == (2, candidate | {"mode": "auto"})
    assert (await api.get(f"{PATH}/watch")).json()["version"] == 2
    assert (await api.get(SHADOW)).json()["outcome"] == "promoted as version 2 by ada: launch day"


async def test_a_stale_promotion_is_refused_and_the_candidate_goes_on(api: httpx.AsyncClient) -> None:
    await start(api, draft(min=3))
    await put(api, 1, min=2)
    assert (await api.post(f"{SHADOW}/promote", json={"base_version": 1, **BY})).status_code == 409
    assert (await api.get(SHADOW)).json()["ended_at_s"] is None


async def test_a_bad_candidate_is_told_in_words(api: httpx.AsyncClient) -> None:
    bad = Policy().model_dump(mode="json") | {"replicas": {"min": 9, "max": 3}}
    answer = await api.put(SHADOW, json={"policy": bad, **BY})
    assert answer.status_code == 422 and "min 9 is greater than max 3" in answer.json()["detail"]


async def test_before_the_first_tick_there_is_nothing_to_begin_from(world: World) -> None:
    transport = httpx.ASGITransport(app_of(await world.start()))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answer = await client.put(SHADOW, json={"policy": draft(), **BY})
    assert answer.status_code == 409 and "wait for the next tick" in answer.json()["detail"]
