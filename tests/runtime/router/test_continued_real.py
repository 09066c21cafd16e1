"""With real vLLM and a tiny model: ``kill -9`` of one replica in mid-stream, and its clients notice nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.real.stack import ENV
from runtime.local import model
from runtime.local.spec import VLLM
from tests.conftest import vllm_python
from tests.runtime.local.conftest import cores, engine, local
from tests.runtime.local.conftest import play as play
from tests.runtime.local.test_fleet import pid_of
from tests.runtime.router.author import View
from tests.runtime.router.hosts import Client, Rig, replica, rig

ARGS = ("--max-model-len", "1024", "--enforce-eager", "--block-size", "32", "--num-gpu-blocks-override", "256")
PATIENT = {"ready_within_s": 180.0, "hang_s": 60.0, "orphan_s": 30.0, "grace_s": 15.0}
TOKENS = 300  # Long enough that a replica is still at work when the slowest client has begun.
JSON = [(b"content-type", b"application/json")]
ASKED = {"model": "tiny", "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "stream": True}
BODY: dict[str, Any] = {**ASKED, "stream_options": {"include_usage": True}}
PATHS = {
    "/v1/completions": {"prompt": "w5 w6"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "w5 w6"}]},
}
MANY = [path for path in PATHS for _ in range(4)]
EVENT_END = b"\n\n"


def client(path: str) -> Client:
    return Client(json.dumps({**BODY, "model": "chat", **PATHS[path]}).encode(), asyncio.Event(), JSON)


async def killed_in_mid_stream(router: Rig, pid: Callable[[str], int]) -> list[View]:
    """Ask for both kinds at once, and kill a replica once all are under way, or one has its answer."""
    clients = [client(path) for path in MANY]
    asking = [asyncio.create_task(each.post(router.gateway, path)) for each, path in zip(clients, MANY, strict=True)]
    while not (all(each.content.count(EVENT_END) > 5 for each in clients) or any(each.done() for each in asking)):
        await asyncio.sleep(0.001)
    victim = max(router.chat.loads.values(), key=lambda load: load.running)
    assert victim.running
    os.kill(pid(victim.name), signal.SIGKILL)
    await asyncio.gather(*asking)
    return [View.of(each.content) for each in clients]


async def judged(router: Rig, pid: Callable[[str], int]) -> None:
    """Nothing shows in what the clients got."""
    whole = {path: View.of((await client(path).post(router.gateway, path)).content) for path in PATHS}
    views = await killed_in_mid_stream(router, pid)
    counts = router.counts()
    assert counts["continued"] and (counts["ended"], "lost" in counts) == (10, False)
    for view, path in zip(views, MANY, strict=True):
        assert (view.reasons, view.usage, view.done) == (["length"], whole[path].usage, 1)
        assert (len(view.text.split()), view.roles) == (TOKENS, whole[path].roles)


@pytest.mark.vllm
@pytest.mark.timeout(420)
async def test_streams_go_on_where_a_replica_is_killed(play: Callable[..., Any], tmp_path: Path) -> None:
    model.write(tmp_path)
    told = {
        "model": str(tmp_path),
        "python": vllm_python(),
        "entry": VLLM,
        "args": (*ARGS, "--served-model-name", "tiny", "chat"),
    }
    real = engine(**told, env=ENV, load_format="dummy")
    played = await play(spec=local(tmp_path / "home", real, slots=cores(2), **PATIENT))
    await played.want(active=2)
    there = await played.settled(active=2, within_s=180.0)
    async with rig() as router:
        router.gateway.rotate([replica(each.name, each.base_url) for each in there])
        await judged(router, lambda name: pid_of(played, name))
