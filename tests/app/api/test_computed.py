"""A long answer is a stream of progress with the result, or what went wrong, at its end."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from app.api.computed import Slots, beating, lines


class Echo(BaseModel):
    said: str


def view(answer: bytes) -> Echo:
    return Echo(said=answer.decode())


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A worker that tells two steps and gives back what it was given, or fails when it is given nothing."""
    source = """
        import sys
        given = sys.stdin.read()
        if not given:
            sys.exit("nothing was given")
        for share in (0.25, 0.5):
            sys.stderr.write(f"progress {share}\\n")
        sys.stdout.write(given)
    """
    (tmp_path / "echoing.py").write_text(textwrap.dedent(source))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "echoing"


async def told(stream: AsyncIterator[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) async for line in stream]


async def test_progress_comes_first_and_the_result_last(module: str) -> None:
    slots = Slots()
    found = await told(lines(slots, module, b"hello", view))
    assert found == [{"progress": 0.25}, {"progress": 0.5}, {"result": {"said": "hello"}}]
    assert slots.taken == 0


async def test_where_there_is_no_news_the_last_is_told_again() -> None:
    async def slow() -> AsyncIterator[float]:
        yield 0.25
        await asyncio.sleep(0.05)
        yield 0.5

    told = [share async for share in beating(slow(), 0.01)]
    assert told[0] == 0.25 and told[-1] == 0.5
    assert told.count(0.25) > 1 and told == sorted(told)


async def test_a_worker_that_fails_is_told_in_its_last_words(module: str) -> None:
    assert await told(lines(Slots(), module, b"", view)) == [{"error": "nothing was given"}]


async def test_who_goes_away_ends_the_worker(module: str) -> None:
    slots = Slots()
    stream = lines(slots, module, b"hello", view)
    await anext(stream)
    assert slots.taken == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert slots.taken == 0
