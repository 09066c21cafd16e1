"""Policies through the API: checked, versioned, compared, rolled back; a stale write is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.app.fakes import AUTO

PATH = "/api/v1/policies/chat"
BY = {"author": "ada", "reason": "launch day"}


def draft(**replicas: int) -> dict[str, Any]:
    """The policy in force with other bounds."""
    policy = AUTO.model_dump(mode="json")
    policy["replicas"] |= replicas
    return policy


async def put(api: httpx.AsyncClient, base_version: int, **replicas: int) -> httpx.Response:
    return await api.put(PATH, json={"policy": draft(**replicas), "base_version": base_version, **BY})


async def test_a_write_is_the_next_version(api: httpx.AsyncClient) -> None:
    written = (await put(api, 1, min=2)).json()
    assert (written["version"], written["author"], written["policy"]["replicas"]["min"]) == (2, "ada", 2)
    assert (await api.get(PATH)).json() == written
    assert (await api.get("/api/v1/policies")).json() == [written]


async def test_a_stale_write_is_refused_and_changes_nothing(api: httpx.AsyncClient) -> None:
    await put(api, 1, min=2)
    answer = await put(api, 1, min=3)
    assert answer.status_code == 409
    assert "version 2 is the newest" in answer.json()["detail"]
    assert (await api.get(PATH)).json()["policy"]["replicas"]["min"] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"replicas": {"min": 9, "max": 3}}, "replicas: min 9 is greater than max 3"),
        ({"slo": {"ttft_ms": 2000}}, "slo.ttft_ms: unknown key; did you mean ttft_s (in seconds)?"),
        ({"mode": "manual"}, "mode: 'manual' is not known; give 'off', 'shadow', 'auto' or 'paused'"),
        ({"budget_usd_per_hour": "ten"}, "budget_usd_per_hour: 'ten' is not a number"),
    ],
)
async def test_a_bad_policy_is_told_in_words(api: httpx.AsyncClient, change: dict[str, Any], said: str) -> None:
    bad = draft() | change
    answer = await api.put(PATH, json={"policy": bad, "base_version": 1, **BY})
    assert answer.status_code == 422 and said in answer.json()["detail"]
    checked = (await api.post(f"{PATH}/check", json={"policy": bad})).json()
    assert not checked["valid"] and said in checked["errors"][0] and checked["diff"] is None


async def test_a_good_draft_shows_its_difference(api: httpx.AsyncClient) -> None:
    checked = (await api.post(f"{PATH}/check", json={"policy": draft(max=12)})).json()
    assert checked["valid"]
    assert checked["diff"]["changes"] == [{"field": "replicas.max", "old": 8, "new": 12}]
    assert "+  max: 12" in checked["diff"]["yaml_diff"]


async def test_history_difference_and_rollback(api: httpx.AsyncClient) -> None:
    await put(api, 1, min=2)
    back = {"to_version": 1, "base_version": 2, "author": "bob", "reason": "too dear"}
    assert (await api.post(f"{PATH}/rollback", json=back)).json()["version"] == 3
    versions = (await api.get(f"{PATH}/history")).json()
    assert [version["version"] for version in versions] == [3, 2, 1]
    assert versions[0]["policy"] == versions[2]["policy"]
    compared = (await api.get(f"{PATH}/diff", params={"from": 1, "to": 2})).json()
    assert compared["changes"] == [{"field": "replicas.min", "old": 1, "new": 2}]


async def test_a_stale_or_impossible_rollback_is_refused(api: httpx.AsyncClient) -> None:
    by = {"author": "bob", "reason": "too dear"}
    stale = await api.post(f"{PATH}/rollback", json={"to_version": 1, "base_version": 7, **by})
    assert stale.status_code == 409
    absent = await api.post(f"{PATH}/rollback", json={"to_version": 9, "base_version": 1, **by})
    assert absent.status_code == 404 and "no policy version 9" in absent.json()["detail"]


async def test_a_reason_is_required(api: httpx.AsyncClient) -> None:
    answer = await api.put(PATH, json={"policy": draft(), "base_version": 1, "author": "ada"})
    assert answer.status_code == 422 and answer.json()["detail"].startswith("reason:")
