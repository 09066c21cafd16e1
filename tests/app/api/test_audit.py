"""The audit through the API: every change that the API makes is there, by who made it, and the chain holds."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.access.principal import Role
from app.access.tokens import TokenStore
from app.daemon.parts import Daemon
from autoscaler.store.audit import AUDIT
from tests.app.access.conftest import Asking, asking, made, tokens

__all__ = ["asking", "tokens"]

BY = {"author": "mallory", "reason": "tests"}


async def changed(api: httpx.AsyncClient) -> None:
    """Every kind of change, once."""
    policy = (await api.get("/api/v1/policies/chat")).json()["policy"]
    policy["replicas"]["max"] = 7
    put = await api.put("/api/v1/policies/chat", json=BY | {"policy": policy, "base_version": 1})
    assert put.status_code == 200
    assert (await api.post("/api/v1/policies/chat/watch/end", json=BY)).status_code == 200
    rollback = BY | {"to_version": 1, "base_version": 2}
    assert (await api.post("/api/v1/policies/chat/rollback", json=rollback)).status_code == 200
    assert (await api.put("/api/v1/policies/chat/shadow", json=BY | {"policy": policy})).status_code == 200
    assert (await api.post("/api/v1/policies/chat/shadow/stop", json=BY)).status_code == 200
    freeze = (await api.post("/api/v1/freezes", json=BY | {"for_s": 60})).json()
    assert (await api.post(f"/api/v1/overrides/{freeze['id']}/lift", json=BY)).status_code == 422
    assert (await api.post(f"/api/v1/overrides/{freeze['id']}/lift", json={"author": "m"})).status_code == 200


async def rows(api: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/api/v1/audit", params=asked)).json()
    return found


async def test_every_change_is_there_by_who_made_it(asking: Asking, tokens: TokenStore) -> None:
    async with asking(made(tokens, Role.ADMIN)) as api:
        await changed(api)
        actions = [row["action"] for row in await rows(api, who="admin")]
        assert actions == [
            "override.lift",
            "override.make",
            "shadow.stop",
            "shadow.start",
            "policy.write",
            "watch.end",
            "policy.write",
        ]
        first = (await rows(api, text="mallory")) == []
        assert first and (await api.get("/api/v1/audit/verify")).json()["broken"] is None


async def test_an_entry_says_what_changed_and_is_found_by_its_number(asking: Asking, tokens: TokenStore) -> None:
    async with asking(made(tokens, Role.ADMIN)) as api:
        await changed(api)
        written = (await rows(api, action="policy.write", who="admin"))[-1]
        assert {"field": "replicas.max", "old": 8, "new": 7} in written["changes"] and written["by"].startswith("token")
        whole = (await api.get(f"/api/v1/audit/{written['seq']}")).json()
        assert whole["before"]["replicas"]["max"] == 8 and whole["after"]["replicas"]["max"] == 7
        assert (await api.get("/api/v1/audit/999")).status_code == 404


async def test_a_touched_record_is_told(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    async with asking(made(tokens, Role.VIEWER)) as api:
        head = (await api.get("/api/v1/audit/verify")).json()["head"]
        with daemon.policies._engine.begin() as connection:
            connection.execute(sa.update(AUDIT).values(reason="forged"))
        assert "altered" in (await api.get("/api/v1/audit/verify", params={"head": head})).json()["broken"]


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 9999}, {"before": -1}, {"start": "nan"}, {"who": "x" * 201}])
async def test_a_wrong_question_is_refused(asking: Asking, tokens: TokenStore, asked: dict[str, Any]) -> None:
    async with asking(made(tokens, Role.VIEWER)) as api:
        assert (await api.get("/api/v1/audit", params=asked)).status_code == 422
        assert (await api.get("/api/v1/audit/verify", params={"head": "short"})).status_code == 422
