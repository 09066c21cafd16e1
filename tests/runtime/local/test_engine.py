"""The engine's HTTP client: what it believes, and what it makes of answers that are none."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from runtime.local.engine import Doing, Engine, EngineError
from runtime.local.spec import Sleep

PAGE = """# HELP vllm:num_requests_running of it
vllm:num_requests_running{engine="0",model_name="a b"} 2.0
vllm:num_requests_running{engine="1",model_name="a b"} 1.0
vllm:num_requests_waiting{engine="0"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 4.0
vllm:prompt_tokens_total{engine="0"} 1.5e+03
vllm:generation_tokens_total{engine="0"} 10.0
"""
Answer = Callable[[httpx.Request], httpx.Response]


def engine(answer: Answer) -> Engine:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return Engine(http, "http://127.0.0.1:1", "tiny")


async def test_load_is_what_runs_and_waits_over_all_engines() -> None:
    assert await engine(lambda _: httpx.Response(200, text=PAGE)).doing(1.0) == Doing(7, 1510.0)


async def test_a_page_without_the_metric_is_no_zero() -> None:
    with pytest.raises(EngineError, match="/metrics has no vllm:num_requests_running"):
        await engine(lambda _: httpx.Response(200, text="up 1\n")).doing(1.0)


@pytest.mark.parametrize("sleep", [Sleep.LEVEL1, Sleep.LEVEL2, Sleep.PAUSE])
async def test_requests_that_came_late_are_finished_before_it_sleeps(sleep: Sleep) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.raw_path.decode()}")
        return httpx.Response(200, json={"is_sleeping": True, "is_paused": True})

    await engine(answer).sleep(sleep, 1.0)
    assert "mode=wait" in asked[0] and len(asked) == 2


async def test_an_engine_that_says_it_sleeps_and_does_not_is_caught() -> None:
    with pytest.raises(EngineError, match="said that it sleeps, and does not"):
        await engine(lambda _: httpx.Response(200, json={"is_sleeping": False})).sleep(Sleep.LEVEL1, 1.0)


async def test_after_level_2_it_must_say_what_it_said() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"choices": [{"token_ids": [1, 2]}]})

    await engine(answer).wake(Sleep.LEVEL2, (1, 2), 1.0)
    assert asked == ["/wake_up", "/collective_rpc", "/reset_prefix_cache", "/v1/completions"]
    with pytest.raises(EngineError, match="after waking it says"):
        await engine(answer).wake(Sleep.LEVEL2, (1, 3), 1.0)


async def test_a_completion_is_for_one_token_of_the_service() -> None:
    asked: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": [{}]})

    await engine(answer).answer(1.0)
    assert asked[0]["model"] == "tiny" and asked[0]["max_tokens"] == 1


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (httpx.Response(503, text="dead"), "status 503: 'dead'"),
        (httpx.Response(200, text="<html>"), "no JSON"),
        (httpx.Response(200, json=[]), "no JSON object"),
        (httpx.Response(200, json={"choices": []}), "without choices"),
    ],
)
async def test_what_is_no_answer_is_one_line(response: httpx.Response, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        await engine(lambda _: response).answer(1.0)


async def test_nobody_there_is_one_line() -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(EngineError, match="ConnectError"):
            await Engine(http, "http://127.0.0.1:9", "tiny").healthy(1.0)
