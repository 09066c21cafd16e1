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

from runtime.local import model
from runtime.local.spec import VLLM
from tests.conftest import vllm_python
from tests.runtime.local.conftest import Played, cores, engine, local
from tests.runtime.local.conftest import play as play
from tests.runtime.local.test_fleet import pid_of
from tests.runtime.router.author import View
from tests.runtime.router.hosts import Client, Rig, replica, rig

ARGS = ("--max-model-len", "1024", "--enforce-eager", "--block-size", "32", "--num-gpu-blocks-override", "256")
PATIENT = {"ready_within_s": 180.0, "hang_s": 60.0, "orphan_s": 30.0, "grace_s": 15.0}
TOKENS = 160
JSON = [(b"content-type", b"application/json")]
ASKED = {"model": "tiny", "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "stream": True}
BODY: dict[str, Any] = {**ASKED, "stream_options": {"include_usage": True}}
PATHS = {
    "/v1/completions": {"prompt": "w5 w6"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "w5 w6"}]},
}


async def asked(router: Rig, path: str) -> View:
    client = Client(json.dumps({**BODY, "model": "chat", **PATHS[path]}).encode(), asyncio.Event(), JSON)
    return View.of((await client.post(router.gateway, path)).content)


async def killed_in_mid_stream(router: Rig, played: Played) -> list[View]:
    """Ask for both kinds at once, and kill a replica once all are under way."""
    asking = [asyncio.create_task(asked(router, path)) for path in PATHS for _ in range(4)]
    while not all(load.running == 4 and load.kv_tokens > 4 * 40 for load in router.chat.loads.values()):
        await asyncio.sleep(0.001)
    victim = max(router.chat.loads.values(), key=lambda load: load.kv_tokens)
    os.kill(pid_of(played, victim.name), signal.SIGKILL)
    return list(await asyncio.gather(*asking))


@pytest.mark.vllm
@pytest.mark.timeout(420)
async def test_streams_go_on_where_a_replica_is_killed(play: Callable[..., Any], tmp_path: Path) -> None:
    model.write(tmp_path)
    env = {"VLLM_CPU_KVCACHE_SPACE": "1"}
    told = {
        "model": str(tmp_path),
        "python": vllm_python(),
        "entry": VLLM,
        "args": (*ARGS, "--served-model-name", "tiny", "chat"),
    }
    real = engine(**told, env=env, load_format="dummy")
    played = await play(spec=local(tmp_path / "home", real, slots=cores(2), **PATIENT))
    await played.want(active=2)
    there = await played.settled(active=2, within_s=180.0)
    async with rig() as router:
        router.gateway.rotate([replica(each.name, each.base_url) for each in there])
        whole = {path: await asked(router, path) for path in PATHS}
        views = await killed_in_mid_stream(router, played)
    counts = router.counts()
    assert counts["continued"] and (counts["ended"], counts["attained"], "lost" in counts) == (10, 10, False)
    for view, path in zip(views, [path for path in PATHS for _ in range(4)], strict=True):
        assert (view.reasons, view.usage, view.done) == (["length"], whole[path].usage, 1)
        assert (len(view.text.split()), view.roles) == (TOKENS, whole[path].roles)
