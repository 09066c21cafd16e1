"""Savings of the whole fleet as an answer that takes a while: it says how far it is, and is the same as at once."""

from __future__ import annotations

import json
import pickle
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from app.api.backend import Backend
from app.api.main import create_app
from app.daemon.parts import Daemon
from app.reports.books import Books, Kept
from app.reports.savings_worker import serve
from tests.app.reports.conftest import DAYS, POLICIES, START_S, books

__all__ = ["books"]

SPAN = {"start": START_S, "end": START_S + 86400 * DAYS}
URL = "/api/v1/cost/savings"


@pytest.fixture
async def api(daemon: Daemon, books: Books) -> AsyncIterator[httpx.AsyncClient]:
    """An API over the books, whose only service with a known policy is chat."""
    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    app = create_app(Backend(daemon.memory, *stores, books=replace(books, kept=Kept())))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", timeout=120) as client:
        yield client


async def test_it_tells_how_far_it_is_and_then_what_get_tells(api: httpx.AsyncClient) -> None:
    answer = await api.post(URL, json=SPAN)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    *told, last = [json.loads(line) for line in answer.text.splitlines()]
    assert told[-1] == {"progress": 1.0}
    assert last["result"] == (await api.get(URL, params=SPAN)).json()
    assert {one["against"] for one in last["result"]["savings"]} == {"hpa", "static-peak"}


async def test_what_cannot_be_asked_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.post(URL, json={"start": 5, "end": 5})).status_code == 422
    assert (await api.post(URL, json={"service": "nobody"})).status_code == 404


def test_what_was_played_is_not_played_again(books: Books) -> None:
    fresh = replace(books, kept=Kept())
    plays = fresh.plays(POLICIES, START_S, SPAN["end"])
    assert [key[0] for key in plays] == ["chat"], "the other has no load on record"
    fresh.kept.played.update(pickle.loads(serve(pickle.dumps(plays))))
    assert fresh.plays(POLICIES, START_S, SPAN["end"]) == {}
    assert fresh.savings("chat", POLICIES["chat"], START_S, SPAN["end"]) == books.savings(
        "chat", POLICIES["chat"], START_S, SPAN["end"]
    )
