"""Decisions with their reasons, and replaying them."""

from __future__ import annotations

import httpx

from tests.app.fakes import INTERVAL_S, START_S


async def test_decisions_come_newest_first_with_reasons(api: httpx.AsyncClient) -> None:
    rows = (await api.get("/api/v1/services/chat/decisions")).json()
    assert [row["at_s"] for row in rows] == [START_S + i * INTERVAL_S for i in (3, 2, 1, 0)]
    assert rows[0]["applied"] and rows[0]["sentence"]
    assert [c["name"] for c in rows[0]["constraints"] if c["binds"]] in ([rows[0]["binding"]], [])


async def test_limit_and_before_page_through(api: httpx.AsyncClient) -> None:
    params = {"limit": 1, "before": START_S + 2 * INTERVAL_S}
    (row,) = (await api.get("/api/v1/decisions", params=params)).json()
    assert row["at_s"] == START_S + INTERVAL_S


async def test_one_decision_has_its_inputs_and_replays(api: httpx.AsyncClient) -> None:
    (row,) = (await api.get("/api/v1/decisions", params={"limit": 1})).json()
    detail = (await api.get(f"/api/v1/decisions/{row['id']}")).json()
    assert {"observation", "forecast", "state", "policy"} <= set(detail["inputs"])
    replayed = (await api.get(f"/api/v1/decisions/{row['id']}/replay")).json()
    assert replayed == {"id": row["id"], "identical": True}


async def test_an_unknown_decision_is_404(api: httpx.AsyncClient) -> None:
    for path in ("/api/v1/decisions/nobody", "/api/v1/decisions/nobody/replay"):
        answer = await api.get(path)
        assert answer.status_code == 404 and "no decision 'nobody'" in answer.json()["detail"]
