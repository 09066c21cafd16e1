"""The impact of a draft, replayed on what a daemon recorded."""

from __future__ import annotations

import json

import httpx

from app.api.computed import AT_ONCE, Slots
from app.daemon.parts import Daemon
from tests.app.api.conftest import app_of

URL = "/api/v1/policies/chat/impact"


async def policy(api: httpx.AsyncClient) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = (await api.get("/api/v1/policies/chat")).json()["policy"]
    return found


async def test_a_draft_with_a_higher_floor_costs_more(api: httpx.AsyncClient) -> None:
    draft = await policy(api)
    draft["replicas"]["min"] = draft["replicas"]["max"]
    answer = await api.post(URL, json={"policy": draft})
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    result = told[-1]["result"]
    assert [line["progress"] for line in told[:-1]]
    assert result["base_version"] == 1
    assert result["delta_usd"] == result["draft"]["cost_usd"] - result["current"]["cost_usd"] >= 0
    assert result["draft"]["mean_active"] >= result["current"]["mean_active"]
    assert "ticks of 15 s" in result["rests_on"][0]


async def test_an_invalid_draft_is_refused_by_field(api: httpx.AsyncClient) -> None:
    draft = await policy(api)
    draft["replicas"]["min"] = 10_000
    answer = await api.post(URL, json={"policy": draft})
    assert answer.status_code == 422 and "min 10000 is greater than max" in answer.json()["detail"]


async def test_no_more_than_a_few_are_computed_at_once(daemon: Daemon) -> None:
    app = app_of(daemon)
    app.state.computing = Slots(AT_ONCE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
        answer = await api.post(URL, json={"policy": await policy(api)})
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "5"
