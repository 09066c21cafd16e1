"""The client against recorded exchanges and a server that throttles, refuses and falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from runtime.clock import WallClock
from runtime.kubernetes.client import Api, Limits, NotLeading
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.errors import (
    Conflict,
    Forbidden,
    KubeError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from runtime.kubernetes.resource import DEPLOYMENTS, LEASES, PODS
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.recordings import NAMES, Lines, Replay, api, body, place, recording

QWEN = DEPLOYMENTS.at("llm", "vllm-qwen3-32b", "scale")
PLAIN = ("version-get", "readyz-get", "discovery-leadtime")
CALLS = [name for name in NAMES if "body" in recording(name)["response"] and name not in PLAIN and "watch" not in name]


class Script(httpx.AsyncBaseTransport):
    """Answers in order, the last one for ever."""

    def __init__(self, *answers: Callable[[], httpx.Response] | Exception) -> None:
        self.answers = list(answers)
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(said, Exception):
            raise said
        return said()


def throttled(after: str | None = "3") -> httpx.Response:
    headers = {} if after is None else {"Retry-After": after}
    return httpx.Response(429, headers=headers, json={"kind": "Status", "reason": "TooManyRequests"})


def fine() -> httpx.Response:
    return httpx.Response(200, json={"fine": True})


async def test_a_scale_is_read_written_and_refused_as_recorded() -> None:
    transport = Replay("scale-get", "scale-put", "scale-put-stale", "scale-patch-merge")
    client = api(transport)
    assert (await client.get(QWEN))["spec"] == {"replicas": 1}
    asked = recording("scale-put")["request"]["body"]
    assert (await client.replace(QWEN, asked))["metadata"]["resourceVersion"] == "442"
    with pytest.raises(Conflict):
        await client.replace(QWEN, asked)
    await client.merge(QWEN, {"spec": {"replicas": 1}})
    assert client.calls == {
        ("get", "deployments/scale", 200): 1,
        ("update", "deployments/scale", 200): 1,
        ("update", "deployments/scale", 409): 1,
        ("patch", "deployments/scale", 200): 1,
    }


@pytest.mark.parametrize("name", CALLS)
async def test_every_recorded_call_is_answered_or_refused_as_recorded(name: str) -> None:
    asked, said = recording(name)["request"], recording(name)["response"]
    kind = asked["headers"].get("Content-Type", "application/json")
    replay = Replay(*[name] * (2 if said["status"] == 401 else 1))
    call = api(replay)._call(asked["method"], place(asked["path"]), asked["query"], asked["body"], kind)
    if said["status"] < 400:
        assert await call == said["body"]
    else:
        with pytest.raises(KubeError) as refusal:
            await call
        assert refusal.value.status == said["status"]
    assert replay.left == []


async def test_writes_are_strict_and_say_who_writes() -> None:
    transport = Replay("scale-patch-merge")
    await api(transport).merge(QWEN, {"spec": {"replicas": 1}})
    (request,) = transport.seen
    assert request.url.params["fieldValidation"] == "Strict"
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.headers["user-agent"].split("/")[0] == "leadtime"


@pytest.mark.parametrize("name", ["scale-patch-json", "node-taint", "node-untaint"])
async def test_a_json_patch_as_recorded(name: str) -> None:
    asked = recording(name)["request"]
    transport = Replay(name, exact=name != "scale-patch-json")
    assert await api(transport).operate(place(asked["path"]), asked["body"]) == body(name)


async def test_a_forbidden_read_says_who_may_not_do_what() -> None:
    with pytest.raises(Forbidden, match="cannot list resource"):
        await api(Replay("auth-forbidden-list")).get(DEPLOYMENTS.at("llm"))


async def test_throttling_is_waited_for_by_everybody() -> None:
    clock, transport = Jumping(), Script(throttled, fine)
    client, began_s = api(transport, clock), clock.now_s
    assert await client.get(QWEN) == {"fine": True}
    assert clock.now_s == began_s + 3
    assert client.calls["get", "deployments/scale", 429] == 1


async def test_throttling_without_a_time_is_waited_for_longer_each_time() -> None:
    clock, transport = Jumping(), Script(lambda: throttled(None))
    began_s = clock.now_s
    with pytest.raises(TooManyRequests):
        await api(transport, clock, limits=Limits(repeats=3)).get(QWEN)
    assert len(transport.seen) == 4 and clock.now_s == began_s + 1 + 2 + 4


async def test_our_own_rate_is_kept() -> None:
    clock, transport = Jumping(), Script(fine)
    client, began_s = api(transport, clock, limits=Limits(rate_per_s=2, burst=1)), clock.now_s
    for _ in range(5):
        await client.get(QWEN)
    assert clock.now_s == pytest.approx(began_s + 2.0)


async def test_a_lease_does_not_wait_behind_other_calls() -> None:
    clock, transport = Jumping(), Script(fine)
    client, began_s = api(transport, clock, limits=Limits(rate_per_s=0.1, burst=1)), clock.now_s
    await client.get(QWEN)
    await client.claim(LEASES.at("llm", "leadtime"), {})
    assert clock.now_s == began_s


async def test_nothing_is_written_by_one_who_does_not_lead() -> None:
    transport = Script(fine)
    client = api(transport, may_write=lambda: False)
    for write in (client.merge(QWEN, {}), client.create(PODS.at("llm"), {}), client.operate(QWEN, [])):
        with pytest.raises(NotLeading):
            await write
    await client.get(QWEN)
    await client.claim(LEASES.at("llm", "leadtime"), {})
    assert [request.method for request in transport.seen] == ["GET", "PUT"]


async def test_a_lead_that_ends_while_a_token_is_fetched_is_over() -> None:
    leads, transport = [True], Script(fine)
    client = api(transport, may_write=lambda: leads[0])
    client.connection = replace(client.connection, token=lambda: str(leads.__setitem__(0, False)))
    with pytest.raises(NotLeading):
        await client.merge(QWEN, {})
    assert transport.seen == []


async def test_a_token_that_has_changed_is_read_again() -> None:
    tokens = iter(["bearer one", "bearer two"])
    transport = Script(lambda: httpx.Response(401, json={"reason": "Unauthorized"}), fine)
    client = api(transport)
    client.connection = replace(client.connection, token=lambda: next(tokens))
    await client.get(QWEN)
    assert [request.headers["authorization"] for request in transport.seen] == ["bearer one", "bearer two"]


async def test_a_token_that_is_refused_twice_is_refused() -> None:
    transport = Replay("auth-unauthorized", "auth-unauthorized")
    with pytest.raises(Unauthorized):
        await api(transport).get(DEPLOYMENTS.at("llm"))


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.ReadError("cut")])
async def test_a_server_out_of_reach_is_one_error(error: Exception) -> None:
    with pytest.raises(Unreachable, match=type(error).__name__):
        await api(Script(error)).get(QWEN)


async def test_a_server_in_trouble_is_another() -> None:
    with pytest.raises(Unavailable):
        await api(Replay("lws-scale-apply", exact=False)).operate(
            place(recording("lws-scale-apply")["request"]["path"]), []
        )


async def test_an_answer_that_is_no_json_is_trouble() -> None:
    with pytest.raises(Unavailable, match="no JSON"):
        await api(Script(lambda: httpx.Response(200, text="<html>login</html>"))).get(QWEN)


async def test_a_watch_gives_its_events_after_saying_that_it_is_open() -> None:
    query = {k: v for k, v in recording("watch-pods")["request"]["query"].items() if k != "watch"}
    events = [event async for event in api(Replay("watch-pods")).watch(PODS.at("llm"), query, 60)]
    assert events == [{}, *recording("watch-pods")["response"]["events"]]


@pytest.mark.parametrize("cut", [httpx.ReadError("reset"), httpx.RemoteProtocolError("incomplete"), b'{"type": "ADD'])
async def test_a_watch_that_breaks_says_so_after_what_came(cut: Exception | bytes) -> None:
    transport = Script(lambda: httpx.Response(200, stream=Lines(b'{"type": "ADDED"}\n', cut)))
    seen = []
    with pytest.raises(Unreachable):
        async for event in api(transport).watch(PODS.at("llm"), {}, 60):
            seen.append(event)
    assert seen == [{}, {"type": "ADDED"}]


async def test_a_watch_that_is_refused_is_refused() -> None:
    query = {"resourceVersion": "abc", "timeoutSeconds": "10"}
    with pytest.raises(Unavailable, match="invalid syntax"):
        async for _ in api(Replay("watch-bad-resource-version")).watch(DEPLOYMENTS.at("llm"), query, 60):
            pass


async def served(*pieces: bytes, then: float = 0.0) -> tuple[asyncio.Server, str]:
    """A real server that answers with these chunks, one after another, and then waits and hangs up in mid-stream."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        await asyncio.sleep(then)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(("then", "why"), [(0.0, "RemoteProtocolError"), (30.0, "ReadTimeout")])
async def test_a_watch_over_a_real_connection(then: float, why: str) -> None:
    """Lines may be cut anywhere by the network; a hang-up and a silence both end it."""
    server, url = await served(b'{"type": "ADD', b'ED"}\n{"type": "MODIFIED"}\n', then=then)
    client = Api(Connection(url), WallClock())
    seen = []
    with pytest.raises(Unreachable, match=why):
        async for event in client.watch(PODS.at("llm"), {}, silence_s=0.3):
            seen.append(event.get("type"))
    assert seen == [None, "ADDED", "MODIFIED"]
    await client.close()
    server.close()


async def test_so_many_calls_at_once_and_a_lease_beside_them() -> None:
    under_way, most = 0, 0
    release = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await release.wait()
        under_way -= 1
        return httpx.Response(200, json={})

    api = Api(Connection("http://cluster"), Jumping(), Limits(at_once=3), transport=httpx.MockTransport(slow))
    calls = [asyncio.create_task(api.get(PODS.at("llm"))) for _ in range(10)]
    await asyncio.sleep(0.01)
    assert most == 3
    lease = asyncio.create_task(api.get(PODS.at("llm"), urgent=True))
    await asyncio.sleep(0.01)
    assert most == 4
    release.set()
    await asyncio.gather(*calls, lease)
    assert most == 4
    await api.close()
