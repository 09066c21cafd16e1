"""What is asked of the engines in pods, over their own endpoints."""

from __future__ import annotations

import json

import httpx
import pytest

from runtime.kubernetes.engines import HttpEngines
from runtime.local.engine import EngineError
from runtime.local.spec import Sleep

POD = "http://10.0.0.1:8000"
METRICS = """vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_waiting{engine="0"} 2.0
vllm:prompt_tokens_total{engine="0"} 10.0
vllm:generation_tokens_total{engine="0"} 20.0
"""


class Vllm:
    """As much of it as is asked."""

    def __init__(self) -> None:
        self.sleeping = False
        self.heard: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(request.url.path)
        match request.url.path:
            case "/metrics":
                return httpx.Response(200, text=METRICS)
            case "/v1/completions":
                tokens = [7] * json.loads(request.content)["max_tokens"]
                return httpx.Response(200, json={"choices": [{"token_ids": tokens}]})
            case "/sleep" | "/wake_up":
                self.sleeping = request.url.path == "/sleep"
            case "/is_sleeping":
                return httpx.Response(200, json={"is_sleeping": self.sleeping})
        return httpx.Response(200, json={})


def engines(vllm: Vllm) -> HttpEngines:
    return HttpEngines(httpx.MockTransport(vllm))


async def test_requests_are_those_running_and_waiting() -> None:
    assert await engines(Vllm()).requests(POD, "m", 1) == 5


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.Response(200, text="# empty\n")])
async def test_an_engine_that_does_not_say_is_not_idle(answer: httpx.Response) -> None:
    assert await HttpEngines(httpx.MockTransport(lambda request: answer)).requests(POD, "m", 1) is None


async def test_a_pod_without_an_address_is_not_idle() -> None:
    made = HttpEngines()
    assert await made.requests("", "m", 1) is None
    await made.close()


async def test_level_two_remembers_what_it_said_and_must_say_it_again() -> None:
    vllm = Vllm()
    made = engines(vllm)
    golden = await made.sleep(POD, "m", Sleep.LEVEL2, 1)
    assert vllm.sleeping and set(golden) == {7}
    await made.wake(POD, "m", Sleep.LEVEL2, golden, 1)
    assert not vllm.sleeping and "/collective_rpc" in vllm.heard
    with pytest.raises(EngineError, match="after waking"):
        await made.wake(POD, "m", Sleep.LEVEL2, (1, 2), 1)


async def test_level_one_need_not_remember() -> None:
    assert await engines(Vllm()).sleep(POD, "m", Sleep.LEVEL1, 1) == ()
