"""The door: who is let in, what each role may, and that whoever acts signs with their own name."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.access.guard import Access
from app.access.keeper import Keys, Open
from app.access.principal import Role
from app.access.rights import RIGHTS
from app.access.tokens import TokenStore
from app.api.backend import Backend
from app.api.main import create_app
from app.daemon.parts import Daemon
from tests.app.access.conftest import Asking, guarded, made

PIN = {"kind": "pin", "replicas": 2, "for_s": 600, "author": "mallory", "reason": "tests"}
FREEZE = {"for_s": 600, "author": "mallory", "reason": "tests"}


async def status(asking: Asking, token: str | None, method: str, path: str, **options: Any) -> int:
    async with asking(token) as api:
        return (await api.request(method, path, **options)).status_code


async def test_health_is_everybodys(asking: Asking) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert await status(asking, None, "GET", path) == 200


@pytest.mark.parametrize("right", [right for right in RIGHTS if right.role], ids=lambda right: right.path)
async def test_without_a_credential_nothing_else_answers(asking: Asking, right: Any) -> None:
    path = right.path.replace("{service}", "chat").replace("{id}", "x")
    async with asking() as api:
        answer = await api.request(right.method, path)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("right", [right for right in RIGHTS if right.role], ids=lambda right: right.path)
async def test_a_role_opens_what_it_covers_and_nothing_more(asking: Asking, tokens: TokenStore, right: Any) -> None:
    path = right.path.replace("{service}", "chat").replace("{id}", "x")
    for role in Role:
        opened = await status(asking, made(tokens, role), right.method, path) != 403
        assert opened is role.covers(right.role), (role, right)


async def test_a_token_for_one_service_reaches_no_other_and_nothing_of_the_whole(
    asking: Asking, tokens: TokenStore
) -> None:
    token = made(tokens, Role.OPERATOR, "chat")
    assert await status(asking, token, "GET", "/api/v1/services/chat") == 200
    assert await status(asking, token, "GET", "/api/v1/schema") == 200
    assert await status(asking, token, "POST", "/api/v1/services/chat/overrides", json=PIN) == 201
    for path in ("/api/v1/services/code", "/api/v1/audit", "/api/v1/reports", "/metrics", "/api/v1/cost/prices"):
        assert await status(asking, token, "GET", path) == 403
    assert await status(asking, token, "POST", "/api/v1/freezes", json=FREEZE) == 403


async def test_nobody_signs_with_another_name(asking: Asking, tokens: TokenStore) -> None:
    async with asking(made(tokens, Role.OPERATOR)) as api:
        assert (await api.post("/api/v1/freezes", json=FREEZE)).json()["author"] == "operator"


async def test_where_nobody_is_asked_the_claim_stands(asking: Asking) -> None:
    async with asking(access=Access(Open())) as api:
        assert (await api.post("/api/v1/freezes", json=FREEZE)).json()["author"] == "mallory"
        assert (await api.get("/api/v1/me")).json()["role"] == "admin"


async def test_a_token_made_through_the_api_works_until_it_is_revoked(asking: Asking, tokens: TokenStore) -> None:
    wish = {"name": "ci", "role": "viewer", "services": ["chat"], "author": "x", "reason": "tests"}
    async with asking(made(tokens, Role.ADMIN)) as api:
        answer = await api.post("/api/v1/tokens", json=wish)
        new = answer.json()
        assert answer.headers["cache-control"] == "no-store" and new["made_by"] == "admin"
        assert await status(asking, new["token"], "GET", "/api/v1/services/chat") == 200
        assert new["token"] not in (await api.get("/api/v1/tokens")).text
        revoked = await api.post(f"/api/v1/tokens/{new['id']}/revoke", json={"author": "x", "reason": "tests"})
        assert revoked.json()["state"] == "revoked"
        assert (await api.post("/api/v1/tokens/none/revoke", json={"author": "x", "reason": "no"})).status_code == 422
    assert await status(asking, new["token"], "GET", "/api/v1/services/chat") == 401


async def test_me_says_who_asks(asking: Asking, tokens: TokenStore) -> None:
    async with asking(made(tokens, Role.VIEWER, "chat")) as api:
        me = (await api.get("/api/v1/me")).json()
    assert (me["name"], me["role"], me["services"]) == ("viewer", "viewer", ["chat"]) and me["by"].startswith("token ")


async def test_readers_may_be_let_in_unknown(asking: Asking, tokens: TokenStore) -> None:
    access = Access(Keys(tokens, (), Role.VIEWER), open_metrics=True)
    async with asking(access=access) as api:
        assert (await api.get("/api/v1/fleet")).status_code == 200
        assert (await api.post("/api/v1/freezes", json=FREEZE)).status_code == 403
    async with asking("wrong", access) as api:
        assert (await api.get("/api/v1/fleet")).status_code == 401, "a wrong credential is not none"
        assert (await api.get("/metrics")).status_code == 200


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "leadtime_a_b", "Bearer a b", "bearer\tx"])
async def test_a_credential_of_another_kind_is_refused(asking: Asking, header: str) -> None:
    async with asking() as api:
        assert (await api.get("/api/v1/fleet", headers={"Authorization": header})).status_code == 401


async def test_a_route_that_was_forgotten_is_closed_to_operators(daemon: Daemon, tokens: TokenStore) -> None:
    app = guarded(daemon, tokens)
    app.add_api_route("/api/v1/new", lambda: {"secret": 1}, methods=["GET"])
    for role, expected in ((Role.OPERATOR, 403), (Role.ADMIN, 200)):
        headers = {"Authorization": f"Bearer {made(tokens, role)}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
            assert (await api.get("/api/v1/new", headers=headers)).status_code == expected


async def test_a_follower_passes_the_credential_on_and_the_leader_judges(daemon: Daemon, tokens: TokenStore) -> None:
    class Led:
        holder, address = "daemon-1", "http://10.0.0.7:8800"

        def leads(self) -> bool:
            return False

    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    access, leader = Access(Keys(tokens)), httpx.ASGITransport(guarded(daemon, tokens))
    app = create_app(Backend(daemon.memory, *stores, leader=Led()), leader, access)  # type: ignore[arg-type]
    headers = {"Authorization": f"Bearer {made(tokens, Role.OPERATOR)}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
        assert (await api.post("/api/v1/freezes", json=FREEZE, headers=headers)).json()["author"] == "operator"
        assert (await api.post("/api/v1/freezes", json=FREEZE)).status_code == 401
