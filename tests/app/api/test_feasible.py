"""Policies that cannot work are refused over the API with the number that shows why."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


async def draft(api: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    policy: dict[str, Any] = (await api.get("/api/v1/policies/chat")).json()["policy"]
    return {
        key: value | changes[key] if isinstance(value, dict) and key in changes else value
        for key, value in policy.items()
    } | {key: value for key, value in changes.items() if not isinstance(value, dict)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"slo": {"tpot_s": 0.001}}, "on an idle engine"),
        ({"budget_usd_per_hour": 0.5}, "below what the minimum of"),
        ({"scale_in": {"window_s": 0.5}}, "between two looks"),
    ],
)
async def test_a_policy_that_cannot_work_is_neither_applied_nor_valid(
    api: httpx.AsyncClient, changes: dict[str, Any], says: str
) -> None:
    policy = await draft(api, **changes)
    write = {"policy": policy, "base_version": 1, "author": "ann", "reason": "because"}
    refused = await api.put("/api/v1/policies/chat", json=write)
    assert refused.status_code == 422 and says in refused.json()["detail"]
    checked = (await api.post("/api/v1/policies/chat/check", json={"policy": policy})).json()
    assert not checked["valid"] and says in checked["errors"][0]
    assert (await api.get("/api/v1/policies/chat")).json()["version"] == 1


async def test_a_policy_that_is_too_small_for_the_load_is_valid_with_a_warning(api: httpx.AsyncClient) -> None:
    policy = await draft(api, replicas={"min": 1, "max": 1})
    checked = (await api.post("/api/v1/policies/chat/check", json={"policy": policy})).json()
    assert checked["valid"] and "replicas.max: 1 is too few" in checked["warnings"][0]
