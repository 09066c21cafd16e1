"""A follower answers questions and refuses writes, by name of the leader."""

from __future__ import annotations

import httpx
import pytest

from app.api.backend import Backend
from app.api.leading import PASSED_ON, asks
from app.api.main import create_app
from app.daemon.leading import Alone
from app.daemon.parts import Daemon
from tests.app.api.conftest import app_of

FREEZE = {"for_s": 600, "author": "me", "reason": "a test"}


class Second(Alone):
    holder = "daemon-1"

    def leads(self) -> bool:
        return False


@pytest.fixture
async def follower(daemon: Daemon) -> httpx.AsyncClient:
    app = app_of(daemon)
    object.__setattr__(app.state.backend, "leader", Second())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


async def test_a_follower_answers_questions(follower: httpx.AsyncClient) -> None:
    assert (await follower.get("/api/v1/services/chat")).status_code == 200
    policy = (await follower.get("/api/v1/policies/chat")).json()["policy"]
    checked = await follower.post("/api/v1/policies/chat/check", json={"policy": policy})
    assert checked.status_code == 200 and checked.json()["valid"]


async def test_a_follower_s_metrics_are_of_itself_alone(follower: httpx.AsyncClient, daemon: Daemon) -> None:
    """Else a sum over daemons would count the fleet twice."""
    text = (await follower.get("/metrics")).text
    assert "leadtime_leading 0.0" in text and "leadtime_ticks_total" in text
    assert "leadtime_replicas{" not in text and "leadtime_desired_replicas{" not in text
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(daemon)), base_url="http://api") as leader:
        text = (await leader.get("/metrics")).text
    assert "leadtime_leading 1.0" in text and "leadtime_replicas{" in text


async def test_a_follower_refuses_writes_and_says_who_leads(follower: httpx.AsyncClient, daemon: Daemon) -> None:
    refused = await follower.post("/api/v1/freezes", json=FREEZE)
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "1"
    assert refused.json()["detail"] == "this daemon follows daemon-1, which alone writes; ask again"
    assert daemon.overrides.in_force(daemon.memory.now_s) == []


async def test_a_follower_passes_writes_on_to_a_leader_that_has_an_address(daemon: Daemon) -> None:
    class Third(Second):
        address = "http://10.0.0.7:8800"

    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    app = create_app(Backend(daemon.memory, *stores, leader=Third()), httpx.ASGITransport(app_of(daemon)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        assert (await client.post("/api/v1/freezes", json=FREEZE)).status_code == 201
        assert len(daemon.overrides.in_force(daemon.memory.now_s + 1)) == 1
        wrong = await client.post("/api/v1/freezes", json={})
        assert wrong.status_code == 422 and "for_s" in wrong.json()["detail"]
        again = await client.post("/api/v1/freezes", json=FREEZE, headers={PASSED_ON: "1"})
        assert again.status_code == 503


async def test_a_leader_that_does_not_answer_is_named(daemon: Daemon) -> None:
    class Third(Second):
        address = "http://10.0.0.7:8800"

    def dead(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    app = create_app(Backend(daemon.memory, *stores, leader=Third()), httpx.MockTransport(dead))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        assert (await client.post("/api/v1/freezes", json=FREEZE)).status_code == 503


async def test_the_leader_takes_writes(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/freezes", json=FREEZE)).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/metrics", True), ("POST", "/api/v1/policies/chat/check", True), ("PUT", "/api/v1/policies/chat", False)],
)
def test_what_changes_nothing_is_a_question(method: str, path: str, expected: bool) -> None:
    assert asks(method, path) is expected
