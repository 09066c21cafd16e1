"""The agents' tokens: what a file may hold, and how one takes the place of another without an answer being refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from app.agenttokens import accepted, read, shown
from app.errors import UserError
from runtime.agent.client import RemoteFleet
from runtime.agent.server import create_agent
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

OLD, NEW = "the-old-token-of-agents", "the-new-token-of-agents"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "token"
    made.write_text(f"{OLD}\n")
    return made


def test_there_is_one_token_a_line(file: Path) -> None:
    assert accepted(None) is None and shown(None) is None
    assert read(file) == (OLD,)
    file.write_text(f"{NEW}\n\n  {OLD}")
    assert read(file) == (NEW, OLD)


@pytest.mark.parametrize("wrong", ["", "\n", "short", "two words-that-are-long-enough", f"{OLD}\nshort"])
def test_what_is_no_secret_is_refused_and_not_repeated(file: Path, wrong: str) -> None:
    file.write_text(wrong)
    with pytest.raises(UserError, match=r"^fleet\.token_file: .* at least 16 characters on each line") as error:
        read(file)
    assert not any(word in str(error.value) for word in wrong.split())


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        shown(tmp_path / "none")


async def test_a_token_is_changed_while_everybody_goes_on_asking(file: Path, tmp_path: Path) -> None:
    """Agent and daemon have files of their own, which change one after the other."""
    theirs = tmp_path / "theirs"
    theirs.write_text(OLD)
    async with listening(create_agent(Instant(), accepted(file))) as url:
        client, late = RemoteFleet(url, shown(theirs)), RemoteFleet(url, OLD)
        for where, content in ((file, f"{OLD}\n{NEW}"), (theirs, NEW), (file, NEW)):
            where.write_text(content)
            assert await client.replicas() == ()
        with pytest.raises(httpx.HTTPStatusError, match="401, the token is not right"):
            await late.replicas()
        await asyncio.gather(client.close(), late.close())


async def test_a_file_that_is_shared_is_changed_in_three_steps(file: Path) -> None:
    async with listening(create_agent(Instant(), accepted(file))) as url:
        client = RemoteFleet(url, shown(file))
        for content in (f"{OLD}\n{NEW}", f"{NEW}\n\n{OLD}", NEW):
            file.write_text(content)
            assert await client.replicas() == ()
        await client.close()


async def test_a_file_that_becomes_useless_changes_nothing_and_is_told(file: Path) -> None:
    async with listening(create_agent(Instant(), accepted(file))) as url:
        client = RemoteFleet(url, OLD)
        with capture_logs() as said:
            file.write_text("short")
            assert await client.replicas() == ()
        assert [one["log_level"] for one in said] == ["error"] and "short" not in str(said)
        await client.close()
