"""Plans over what a daemon recorded."""

from __future__ import annotations

import json

import httpx
import pytest

URL = "/api/v1/services/chat/plan"


async def test_the_front_is_planned_on_the_recorded_load(api: httpx.AsyncClient) -> None:
    answer = await api.post(URL, json={})
    told = [json.loads(line) for line in answer.text.splitlines()]
    result = told[-1]["result"]
    assert told[0]["progress"] <= 1
    assert {point["kind"] for point in result["points"]} == {"ours", "policy", "proportional", "static"}
    assert result["pools"] == [] and "fluid screen" in result["rests_on"][1]


async def test_choices_can_be_asked_for(api: httpx.AsyncClient) -> None:
    told = (await api.get("/api/v1/plan/choices")).json()
    assert "meta-llama/Llama-3.1-8B" in told["models"] and len(told["gpus"]) > 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "nobody/None"}, "model: 'nobody/None' is not known"),
        ({"gpus": ["H999"]}, "gpus: 'H999' is not known"),
        ({"policy": {"mode": "on"}}, "policy: mode"),
        ({"max_gpus": 0}, "max_gpus"),
    ],
)
async def test_what_cannot_be_planned_is_refused(api: httpx.AsyncClient, body: dict[str, object], words: str) -> None:
    answer = await api.post(URL, json=body)
    assert answer.status_code == 422 and words in answer.json()["detail"]
