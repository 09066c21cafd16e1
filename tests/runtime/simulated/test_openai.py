"""Completions as OpenAI's clients know them, each token at the virtual moment at which its step ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.replica import Tier
from runtime.simulated.openai import count_tokens, wanted_tokens
from tests.runtime.simulated.fleets import START_S, STEP_S, replicas, run, service, target, world
from tests.runtime.simulated.hosts import Driven

TEXT, CHAT = "/v1/completions", "/v1/chat/completions"


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "chat", "prompt": [1] * 64, "max_tokens": 8, **fields}


PROMPTS = [
    ({"prompt": [5, 6, 7]}, 3),
    ({"prompt": []}, 0),
    ({"prompt": "abcdefgh"}, 2),
    ({"prompt": "abcdefghi"}, 3),
    ({"prompt": ""}, 1),
    ({"messages": [{"role": "user", "content": "abcd"}, {"role": "user", "content": "efgh"}]}, 2),
    ({"messages": [{"role": "user"}]}, 1),
]


@pytest.mark.parametrize(("asked", "tokens"), PROMPTS)
def test_prompt_tokens_follow_the_request(asked: dict[str, Any], tokens: int) -> None:
    assert count_tokens(asked) == tokens


@pytest.mark.parametrize("asked", [{}, {"prompt": 7}, {"prompt": ["a", "b"]}, {"messages": []}, {"messages": "hello"}])
def test_a_body_without_a_prompt_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give a prompt"):
        count_tokens(asked)


def test_output_tokens_follow_the_request() -> None:
    assert wanted_tokens({}) == wanted_tokens({"max_tokens": None}) == 16
    assert wanted_tokens({"max_tokens": 7}) == wanted_tokens({"max_completion_tokens": 7}) == 7
    assert wanted_tokens({"max_tokens": 10**15}) == 2**31 - 1


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "ten", [1]])
def test_a_wrong_number_of_tokens_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        wanted_tokens({"max_tokens": wrong})


# --- answers -----------------------------------------------------------------------------------------------------


async def test_a_completion_comes_when_its_last_step_ends() -> None:
    fleet = Driven(world())
    answer = (await fleet.post(TEXT, body())).json()
    assert fleet.world.now_s == START_S + 8 * STEP_S
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [{"index": 0, "text": " tok" * 8, "finish_reason": "length"}]
    assert answer["usage"] == {"prompt_tokens": 64, "completion_tokens": 8, "total_tokens": 72}


async def test_a_chat_completion_has_a_message() -> None:
    answer = (await Driven(world()).post(CHAT, body(messages=[{"role": "user", "content": "hi"}]))).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": " tok" * 8}


async def test_streamed_tokens_are_a_step_apart() -> None:
    fleet = Driven(world())
    stream = await fleet.stream(TEXT, body(max_tokens=5))
    assert stream.times == [START_S + STEP_S * step for step in (1, 2, 3, 4, 5, 5)]
    assert [event["choices"][0]["text"] for event in stream.events[:-1]] == [" tok"] * 5
    assert [event["choices"][0]["finish_reason"] for event in stream.events[:-1]] == [None] * 4 + ["length"]
    assert stream.events[-1] == "[DONE]"


async def test_a_long_prompt_takes_several_steps_before_the_first_token() -> None:
    """Five thousand tokens at 2,048 a step are three steps."""
    stream = await Driven(world()).stream(TEXT, body(prompt=[1] * 5000, max_tokens=2))
    assert stream.times[:2] == [START_S + 3 * STEP_S, START_S + 4 * STEP_S]


async def test_a_streamed_chat_has_deltas_and_usage_where_it_is_asked_for() -> None:
    stream = await Driven(world()).stream(CHAT, body(max_tokens=2, stream_options={"include_usage": True}))
    *chunks, last, done = stream.events
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == [" tok"] * 2
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert (last["choices"], last["usage"]["completion_tokens"], done) == ([], 2, "[DONE]")


async def test_an_answer_leaves_nothing_behind() -> None:
    fleet = Driven(world())
    await fleet.post(TEXT, body())
    await fleet.stream(TEXT, body())
    assert fleet.world.slots.in_use == 0
    assert fleet.world.watched == set()
    assert fleet.world.outcomes[0].requests == 2


# --- refusals ----------------------------------------------------------------------------------------------------

BAD = [
    (body(prompt=None), 400, "give a prompt"),
    (body(max_tokens=0), 400, "max_tokens"),
    (body(max_tokens="many"), 400, "max_tokens"),
    (body(prompt=[]), 400, "0 tokens does not fit"),
    (body(prompt=[1] * 20_000), 400, "20000 tokens does not fit"),
    (body(model="nobody"), 404, "no model nobody; there is chat"),
    ({"prompt": "hi"}, 404, "no model None"),
]


@pytest.mark.parametrize("path", [TEXT, CHAT, "/replicas/chat-0001" + TEXT])
@pytest.mark.parametrize(("asked", "status", "complaint"), BAD)
async def test_bad_requests_are_refused_streaming_or_not(
    path: str, asked: dict[str, Any], status: int, complaint: str
) -> None:
    fleet = Driven(world())
    answer = await fleet.post(path, asked)
    assert (answer.status_code, complaint in answer.text) == (status, True)
    stream = Driven(fleet.world)
    assert (await stream.stream(path, asked)).status == status
    assert fleet.world.slots.in_use == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'"chat"', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(content: bytes) -> None:
    assert (await Driven(world()).http.post(TEXT, content=content)).status_code == 400


async def test_a_request_that_finds_no_replica_is_held_and_refused_in_the_end() -> None:
    fleet = Driven(world(service(active=0, hold_s=5.0)))
    assert (await fleet.post(TEXT, body())).status_code == 503
    assert START_S + 5 < fleet.world.now_s < START_S + 8
    assert (await fleet.stream(TEXT, body())).status == 503
    assert (fleet.world.outcomes[0].rejected, fleet.world.slots.in_use) == (2, 0)


async def test_a_request_that_is_held_is_answered_when_a_replica_comes() -> None:
    fleet = Driven(world(service(active=0, hold_s=500.0)))
    target(fleet.world, active=1)
    stream = await fleet.stream(TEXT, body(max_tokens=2))
    assert (stream.status, stream.times[0]) == (200, START_S + 100 + STEP_S)


async def test_an_engine_that_sleeps_or_does_not_run_refuses() -> None:
    fleet = Driven(run(target(world(), active=1, asleep=1), 101.0))
    name = replicas(fleet.world, Tier.ASLEEP)[0].name
    assert (await fleet.http.post(f"/replicas/{name}{TEXT}", json=body())).status_code == 503
    target(fleet.world, active=2)
    assert (await fleet.http.post(f"/replicas/{name}{TEXT}", json=body())).status_code == 503
    run(fleet.world, 4.0)
    assert (await fleet.post(f"/replicas/{name}{TEXT}", body())).status_code == 200


# --- clients that leave and engines that die -----------------------------------------------------------------------


@pytest.mark.parametrize("leave_after", [0, 1, 3])
async def test_a_client_that_leaves_a_stream_frees_its_blocks(leave_after: int) -> None:
    fleet = Driven(world())
    stream = await fleet.stream(TEXT, body(max_tokens=5000), leave_after)
    assert len(stream.sent) <= leave_after + 1
    run(fleet.world, 1.0)
    engine = fleet.world.state.replicas[0]
    assert (int(engine["used_blocks"]), int(engine["aborted"])) == (0, 1)
    assert fleet.world.slots.in_use == 0


async def test_a_client_that_leaves_a_held_stream_is_not_waited_for() -> None:
    fleet = Driven(world(service(active=0)))
    await fleet.stream(TEXT, body(), leave_after=0)
    run(fleet.world, 1.0)
    assert fleet.world.slots.in_use == 0
    assert len(fleet.world.held[0]) == 0


async def test_an_engine_that_dies_ends_its_answers_with_an_error() -> None:
    fleet = Driven(world())
    uuid = replicas(fleet.world)[0].gpus[0].uuid

    async def dies() -> None:
        while fleet.world.now_s < START_S + 2.5 * STEP_S:
            await fleet.live.tick()
        fleet.world.fail_gpu(uuid, "xid")

    path = "/replicas/chat-0001" + TEXT
    dying = asyncio.ensure_future(dies())
    whole = asyncio.ensure_future(fleet.http.post(path, json=body(max_tokens=500)))
    stream = await fleet.stream(path, body(max_tokens=500))
    assert [len(stream.events), "error" in stream.events[-1]] == [3, True]
    assert (await fleet.during(_result(whole))).status_code == 500
    await dying
    assert fleet.world.slots.in_use == 0


async def _result(future: asyncio.Future[Any]) -> Any:
    return await future
