"""The advice is told with its reason before it acts, and nothing is made up before there is any."""

from __future__ import annotations

import httpx

from app.daemon.parts import Daemon
from autoscaler.tuning.choice import Choice, Price
from autoscaler.tuning.knobs import values
from tests.app.api.conftest import app_of
from tests.app.fakes import World


async def told(daemon: Daemon) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(daemon)), base_url="http://api") as api:
        return await api.get("/api/v1/policies/chat/tuning")


async def test_before_the_first_search_only_the_knobs_are_known(world: World) -> None:
    daemon = await world.start()
    answer = (await told(daemon)).json()
    assert answer["mode"] == "advise" and answer["advised"] is None and answer["regret"] is None
    assert answer["in_effect"] == values(daemon.memory.services["chat"].policy)


async def test_advice_is_told_and_not_in_effect(world: World) -> None:
    daemon = await world.start()
    known = daemon.memory.services["chat"]
    knobs = values(known.policy) | {"risk.headroom": 1.3}
    known.tuner.adopt(Choice(knobs, Price(7.0), True, 0.1, 0.25, "because"))
    known.tuning_trouble = "took longer than 120 s"
    answer = (await told(daemon)).json()
    assert answer["advised"]["risk.headroom"] == 1.3 and answer["in_effect"]["risk.headroom"] == 1.0
    assert (answer["reason"], answer["gain"], answer["regret"]) == ("because", 0.1, 0.25)
    assert answer["trouble"] == "took longer than 120 s" and answer["counted"]


async def test_unknown_services_are_not_found(world: World) -> None:
    daemon = await world.start()
    del daemon.memory.services["chat"]
    assert (await told(daemon)).status_code == 404
