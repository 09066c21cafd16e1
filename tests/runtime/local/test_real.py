"""The same life with real vLLM and a tiny model: what the stand-in promises for it is so."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.real.stack import ENV
from runtime.local import model
from runtime.local.process import members
from runtime.local.spec import VLLM, Sleep
from tests.conftest import vllm_python
from tests.runtime.local.conftest import cores, engine, local, until
from tests.runtime.local.test_fleet import pid_of

ARGS = ("--max-model-len", "1024", "--enforce-eager", "--block-size", "32", "--num-gpu-blocks-override", "128")


@pytest.mark.vllm
@pytest.mark.timeout(420)
async def test_cold_active_standby_asleep_killed_replaced_and_stopped(play: Callable[..., Any], tmp_path: Path) -> None:
    model.write(tmp_path)
    real = engine(
        model=str(tmp_path),
        python=vllm_python(),
        entry=VLLM,
        args=ARGS,
        env=ENV,
        sleep=Sleep.PAUSE,
        load_format="dummy",
    )
    patient = {"ready_within_s": 180.0, "hang_s": 30.0, "orphan_s": 30.0, "grace_s": 15.0, "look_s": 0.25}
    played = await play(spec=local(tmp_path / "home", real, slots=cores(2)[1:], **patient))
    await played.want(active=1)
    (first,) = await played.settled(active=1, within_s=180.0)
    assert len((await complete(first.base_url, prompt="w5 w6"))["choices"][0]["text"].split()) == 8
    chat = {"messages": [{"role": "user", "content": "w5 w6"}]}
    assert (await complete(first.base_url, "chat/completions", **chat))["usage"]["completion_tokens"] == 8
    await played.want(standby=1)
    await played.settled(standby=1)
    await played.want(asleep=1)
    await played.settled(asleep=1)
    await played.want(active=1)
    (again,) = await played.settled(active=1)
    assert again.name == first.name
    pid = pid_of(played, first.name)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: played.said("crashed"))
    (second,) = await played.settled(active=1, within_s=180.0)
    assert second.name != first.name and not members(pid)
    pid = pid_of(played, second.name)
    await played.want(active=0)
    await played.settled(within_s=60.0)
    assert not members(pid)


async def complete(url: str, path: str = "completions", **asked: Any) -> dict[str, Any]:
    body = {"model": "tiny", "max_tokens": 8, "ignore_eos": True, **asked}
    async with httpx.AsyncClient(trust_env=False, timeout=30.0) as http:
        answer: dict[str, Any] = (await http.post(f"{url}/v1/{path}", json=body)).raise_for_status().json()
    return answer
