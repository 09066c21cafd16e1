"""What needs a second person is refused without one, by every way to write a policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.api.backend import Backend
from app.daemon.parts import Daemon
from autoscaler.store.proposals import Approvals, ProposalStore, SecondPerson
from tests.app.api.conftest import app_of

URL = "/api/v1/policies/chat"


@pytest.fixture
async def api(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    """An API that asks for a second person where replicas.max changes."""
    app = app_of(daemon)
    back: Backend = app.state.backend
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    app.state.backend = replace(back, approvals=Approvals(SecondPerson(("replicas.max",)), ProposalStore(engine)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client


async def draft(api: httpx.AsyncClient, most: int, base: int = 1) -> dict[str, Any]:
    policy = (await api.get(URL)).json()["policy"]
    policy["replicas"]["max"] = most
    return {"policy": policy, "base_version": base, "author": "ada", "reason": "a launch"}


async def test_a_write_without_a_second_person_is_refused(api: httpx.AsyncClient) -> None:
    body = await draft(api, 77)
    assert (await api.post(f"{URL}/check", json={"policy": body["policy"]})).json()["second_person"] == ["replicas.max"]
    answer = await api.put(URL, json=body)
    assert answer.status_code == 409
    assert "replicas.max: a change of this needs a second person" in answer.json()["detail"]
    assert (await api.get(URL)).json()["version"] == 1


async def test_what_needs_none_is_applied_at_once(api: httpx.AsyncClient) -> None:
    body = await draft(api, 77)
    body["policy"]["replicas"]["max"] = (await api.get(URL)).json()["policy"]["replicas"]["max"]
    body["policy"]["stale_after_s"] = 50
    assert (await api.put(URL, json=body)).json()["version"] == 2


async def test_somebody_else_approves_and_it_is_applied(api: httpx.AsyncClient) -> None:
    made = (await api.post(f"{URL}/proposals", json=await draft(api, 77))).json()
    assert (made["state"], made["needs"]) == ("open", ["replicas.max"])
    own = await api.post(f"{URL}/proposals/{made['id']}/approve", json={"author": "Ada", "reason": "fine"})
    assert own.status_code == 403
    done = await api.post(f"{URL}/proposals/{made['id']}/approve", json={"author": "bob", "reason": "fine"})
    assert (done.json()["version"], done.json()["author"]) == (2, "ada")
    assert "approved by bob: fine" in done.json()["reason"]
    assert (await api.get(f"{URL}/proposals")).json()[0]["state"] == "approved"
    again = await api.post(f"{URL}/proposals/{made['id']}/approve", json={"author": "eve", "reason": "fine"})
    assert again.status_code == 409


async def test_a_proposal_that_was_overtaken_cannot_be_approved(api: httpx.AsyncClient) -> None:
    made = (await api.post(f"{URL}/proposals", json=await draft(api, 77))).json()
    other = await draft(api, 77)
    other["policy"] = (await api.get(URL)).json()["policy"] | {"stale_after_s": 50}
    assert (await api.put(URL, json=other)).status_code == 200
    assert (await api.get(f"{URL}/proposals")).json()[0]["state"] == "outdated"
    late = await api.post(f"{URL}/proposals/{made['id']}/approve", json={"author": "bob", "reason": "fine"})
    assert late.status_code == 409 and "version 2 is the newest" in late.json()["detail"]
    assert (await api.post(f"{URL}/proposals", json=await draft(api, 78))).status_code == 409


async def test_a_refused_proposal_changes_nothing(api: httpx.AsyncClient) -> None:
    made = (await api.post(f"{URL}/proposals", json=await draft(api, 77))).json()
    body = {"author": "bob", "reason": "too dear"}
    done = (await api.post(f"{URL}/proposals/{made['id']}/refuse", json=body)).json()
    assert (done["state"], done["decided_why"]) == ("refused", "too dear")
    assert (await api.get(URL)).json()["version"] == 1
    assert (await api.post(f"{URL}/proposals/nobody/refuse", json=body)).status_code == 404


async def test_going_back_needs_nobody(api: httpx.AsyncClient) -> None:
    made = (await api.post(f"{URL}/proposals", json=await draft(api, 77))).json()
    await api.post(f"{URL}/proposals/{made['id']}/approve", json={"author": "bob", "reason": "fine"})
    body = {"to_version": 1, "base_version": 2, "author": "ada", "reason": "too dear"}
    assert (await api.post(f"{URL}/rollback", json=body)).json()["version"] == 3


async def test_without_a_store_there_are_none(daemon: Daemon) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(daemon)), base_url="http://api") as api:
        assert (await api.get(f"{URL}/proposals")).status_code == 404
