"""Overrides over the API: made, listed, lifted, and refused in one sentence."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.daemon.parts import Daemon
from tests.app.daemon.test_tick import ticks

FREEZE = {"kind": "freeze", "for_s": 3600, "author": "ann", "reason": "incident 7"}


async def make(api: httpx.AsyncClient, path: str = "/services/chat/overrides", **changes: Any) -> httpx.Response:
    return await api.post(f"/api/v1{path}", json=FREEZE | changes)


async def test_an_override_is_made_listed_and_lifted(api: httpx.AsyncClient) -> None:
    made = (await make(api, kind="pin", replicas=3)).json()
    assert (made["service"], made["kind"], made["replicas"], made["in_force"]) == ("chat", "pin", 3, True)
    assert made["until_s"] - made["starts_at_s"] == 3600
    assert (await api.get("/api/v1/overrides")).json() == [made]
    lifted = (await api.post(f"/api/v1/overrides/{made['id']}/lift", json={"author": "bob"})).json()
    assert (lifted["in_force"], lifted["lifted_by"]) == (False, "bob")
    assert (await api.get("/api/v1/overrides")).json() == []
    assert (await api.get("/api/v1/services/chat/overrides")).json() == [lifted]


async def test_a_frozen_fleet_changes_nothing_at_all(api: httpx.AsyncClient, daemon: Daemon) -> None:
    before = daemon.memory.services["chat"].control.desired
    made = await api.post("/api/v1/freezes", json={key: value for key, value in FREEZE.items() if key != "kind"})
    assert made.status_code == 201 and made.json()["service"] is None
    daemon.source.rps = 500.0  # type: ignore[attr-defined]
    await ticks(daemon, 3, first=5)
    (row,) = (await api.get("/api/v1/services/chat/decisions", params={"limit": 1})).json()
    assert daemon.memory.services["chat"].control.desired == before
    assert row["binding"] == "freeze" and "says ann (incident 7)" in row["sentence"]
    assert row["alternatives"][0]["text"] == "anything else once the freeze ends"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "pin"}, "replicas: is missing"),
        ({"kind": "pin", "replicas": 500}, "outside the policy's bounds"),
        ({"kind": "at_least", "replicas": 0}, "outside the policy's bounds"),
        ({"replicas": 3}, "leave replicas out"),
        ({"for_s": 0}, "for_s"),
        ({"author": ""}, "author"),
        ({"reason": "x"}, "reason"),
        ({"kind": "nothing"}, "kind"),
    ],
)
async def test_what_makes_no_sense_is_refused(api: httpx.AsyncClient, changes: dict[str, Any], says: str) -> None:
    refused = await make(api, **changes)
    assert refused.status_code == 422 and says in refused.json()["detail"]


async def test_nobody_lifts_what_is_not_there(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/overrides/nothing/lift", json={"author": "bob"})).status_code == 404
    assert (await make(api, "/services/nobody/overrides")).status_code == 404
