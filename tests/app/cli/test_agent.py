"""``leadtime agent``: one file for many machines, and an agent that is told to leave."""

from __future__ import annotations

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from app.cli.agent import leaving, placed
from app.manifests.agentpools import agents_of
from app.settings import Settings
from runtime.agent.server import create_agent
from runtime.fleet import PoolTarget
from tests.app.manifests.test_agentpools import GIVEN, SHARED
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

TOKEN = "a-token-of-agents"


def settings(tmp_path: Path, url: str = "http://0.0.0.0:8900") -> Settings:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    config = agents_of(SHARED, None, **GIVEN).config
    config["fleet"] |= {"token_file": str(file), "url": url}
    return Settings.model_validate(config)


def test_each_machine_says_its_own_name_and_address(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    local = placed(chosen, {"node": "shared-0", "address": "10.0.0.7"}).fleet.local
    assert local is not None and (local.node, local.address) == ("shared-0", "10.0.0.7")
    assert placed(chosen, {"node": None, "address": None}) == chosen


async def test_who_leaves_empties_the_agent_beside_it(tmp_path: Path) -> None:
    fleet = Instant(pools=("a", "b"))
    await fleet.apply([PoolTarget("of-a", "a", 2), PoolTarget("of-b", "b", 1)], "d1")
    async with listening(create_agent(fleet, TOKEN)) as url:
        await asyncio.to_thread(leaving, settings(tmp_path, url))
    assert await fleet.replicas() == ()


def test_an_agent_that_does_not_answer_has_nothing_left(tmp_path: Path) -> None:
    with capture_logs() as said:
        leaving(settings(tmp_path, "http://127.0.0.1:1"))
    assert [one["event"] for one in said] == ["the agent does not answer"]
