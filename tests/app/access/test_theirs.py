"""A credential for one service: the whole console can be used with it, and no answer tells of any other service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from app.access.guard import Access
from app.access.keeper import Keys
from app.access.principal import Role
from app.access.rights import THEIRS
from app.access.tokens import TokenStore
from app.api.backend import Backend
from app.api.main import create_app
from app.api.theirs import narrowed
from app.daemon.parts import Daemon
from app.reports.books import Books
from autoscaler.cost.budget import Budget
from autoscaler.cost.meter import STATES, Held, Used
from autoscaler.cost.store import CostStore, TenantUse
from autoscaler.safety.overrides import Kind
from autoscaler.store.ledger import Record
from collectors.observation import Gap
from tests.app.access.conftest import made
from tests.app.fakes import POOL, START_S

SECRET = "hidden"
HOUR_S = int(START_S // 3600 * 3600)
PATHS = [line.split() for line in THEIRS.split("\n") if line]


def hidden(daemon: Daemon) -> str:
    """Another service beside chat, wherever a daemon keeps anything of one; gives the id of its decision."""
    chat = daemon.memory.services["chat"]
    pool = replace(POOL, name=f"{SECRET}-pool", service=SECRET)
    decision = replace(daemon.ledger.list("chat", 1)[0].decision, id=f"{SECRET}-1", service=SECRET)
    replicas = tuple(
        replace(r, name=f"{SECRET}-{i}", service=SECRET, pool=pool.name, gpus=(f"GPU-{SECRET}-{i}", "GPU-0"))
        for i, r in enumerate(chat.replicas * 3)
    )
    other = replace(chat, pool=pool, decision=decision, replicas=replicas, last_valid_s=0.0)
    samples = [replace(gpu, uuid=f"GPU-{SECRET}-0", pod=f"{SECRET}-pod") for gpu in daemon.memory.gpu_samples[:1]]
    shared = [replace(gpu, pod=f"{SECRET}-pod") for gpu in daemon.memory.gpu_samples]
    daemon.memory.services[SECRET] = other
    daemon.memory.gpu_samples = (*shared, *samples)
    daemon.memory.trouble, daemon.memory.nodes = f"{SECRET} fails", (f"{SECRET}-node",)
    daemon.memory.gaps = (Gap(f"{SECRET}-node", "silent"),)
    daemon.ledger.record_many([Record(decision, {"secret": SECRET}, 1)])
    daemon.policies.seed(SECRET, chat.policy)
    daemon.overrides.make(SECRET, Kind.FREEZE, None, START_S, START_S + 1e6, SECRET, SECRET)
    daemon.history.append(SECRET, START_S, {"replicas_desired": 7.0})
    return decision.id


def booked(daemon: Daemon) -> Books:
    """Books of an hour of both, of which the other's costs a thousand times as much."""
    store = CostStore(daemon.ledger._engine)
    for name, ms in (("chat", 3_600_000), (SECRET, 3_600_000_000)):
        charged = dict.fromkeys(STATES, 0) | {"active": ms}
        held = Held(HOUR_S - 3600, name, f"{name}-pool", 2_000_000, charged, ms)
        used = Used(HOUR_S - 3600, name, 3_600_000, 3_600_000, 0, 1e6 * ms / 3_600_000, 0.0, 1e5, 10.0)
        store.add([held], [used], [TenantUse(HOUR_S - 3600, SECRET, 10.0, 1.0)])
    pools = {name: (replace(POOL, name=f"{name}-pool", service=name),) for name in ("chat", SECRET)}
    budgets = (Budget(f"{SECRET} all", 1.0), Budget(SECRET, 1.0, SECRET), Budget("ours", 1.0, "chat"))
    return Books(store, daemon.history, pools, budgets=budgets, stock={"H100": 77_777}, racks={SECRET: "H100"})


@pytest.fixture
async def api(daemon: Daemon, tokens: TokenStore) -> AsyncIterator[httpx.AsyncClient]:
    """Asks as a viewer of chat alone, where there is another service."""
    hidden(daemon)
    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    backend = Backend(daemon.memory, *stores, tokens=tokens, books=booked(daemon))
    app = create_app(backend, access=Access(Keys(tokens)))
    headers = {"Authorization": f"Bearer {made(tokens, Role.VIEWER, 'chat')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", headers=headers) as client:
        yield client


async def get(api: httpx.AsyncClient, path: str, **params: str | float) -> httpx.Response:
    return await api.get(f"/api/v1{path}", params=params)


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_nothing_of_the_other_is_in_any_answer(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path.replace("{id}", f"{SECRET}-1"), json={} if method == "POST" else None)
    assert answer.status_code == (404 if "{id}" in path else 200), answer.text
    assert SECRET not in answer.text.replace(f"{SECRET}-1", "")
    assert "77777" not in answer.text


@pytest.mark.parametrize("path", ["/cost", "/cost/series", "/cost/savings", "/timeline"])
async def test_asking_for_the_other_by_name_is_as_if_it_were_not_there(api: httpx.AsyncClient, path: str) -> None:
    answer = await get(api, path, service=SECRET)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"no service '{SECRET}'; known: chat")


async def test_figures_are_of_theirs_alone(api: httpx.AsyncClient, daemon: Daemon) -> None:
    fleet = (await get(api, "/fleet")).json()
    own = len([r for r in daemon.memory.services["chat"].replicas if r.serving])
    assert (fleet["replicas_active"], [row["service"] for row in fleet["services"]]) == (own, ["chat"])
    assert fleet["usd_per_hour"] == fleet["services"][0]["usd_per_hour"]
    assert sum(fleet["gpus"].values()) == own and not any(fleet["sparklines"].values())
    cost = (await get(api, "/cost")).json()
    assert (cost["total"]["total_usd"], cost["total"]["gpu_hours"], cost["tenants"]) == (2.0, 1.0, [])
    series = (await get(api, "/cost/series")).json()
    assert sum(point["usd"] for point in series["points"]) == pytest.approx(2.0)
    assert [one["name"] for one in (await get(api, "/cost/budgets")).json()] == ["ours"]
    (line,) = (await get(api, "/cost/capacity")).json()
    assert (line["mean_gpus"], line["quota_gpus"]) == (1.0, None)


async def test_a_gpu_that_is_shared_does_not_say_what_it_does(api: httpx.AsyncClient, daemon: Daemon) -> None:
    nodes = (await get(api, "/nodes")).json()["nodes"]
    shown = {gpu["uuid"]: gpu for node in nodes for gpu in node["gpus"]}
    assert set(shown) == {gpu for r in daemon.memory.services["chat"].replicas for gpu in r.gpus}
    assert shown["GPU-0"]["util_ratio"] is None and shown["GPU-0"]["replica"] == "chat-0"


async def test_decisions_of_all_are_theirs_newest_first(api: httpx.AsyncClient) -> None:
    rows = (await get(api, "/decisions", limit=3)).json()
    assert rows == (await get(api, "/services/chat/decisions", limit=3)).json()
    assert (await get(api, f"/decisions/{rows[0]['id']}")).status_code == 200


async def test_a_freeze_of_the_fleet_is_theirs_to_know(api: httpx.AsyncClient, daemon: Daemon) -> None:
    daemon.overrides.make("*", Kind.FREEZE, None, START_S, START_S + 1e6, "ada", "a quiet night")
    (held,) = (await get(api, "/overrides")).json()
    assert (held["service"], held["reason"]) == (None, "a quiet night")


async def test_of_the_fleets_own_series_there_is_nothing(api: httpx.AsyncClient, daemon: Daemon) -> None:
    daemon.history.append("_fleet", START_S, {"gpus_busy": 77.0})
    series = (await get(api, "/services/_fleet/series")).json()
    assert set(map(json.dumps, series["signals"].values())) == {"[]"}
    assert (await get(api, "/services/_fleet")).status_code == 404


async def test_what_is_of_the_whole_fleet_stays_closed(api: httpx.AsyncClient) -> None:
    for path in (
        "/audit",
        "/audit/verify",
        "/cost/prices",
        "/reports",
        "/reports/html",
        "/reports/focus.csv",
        "/tokens",
    ):
        assert (await get(api, path)).status_code == 403, path
    assert (await api.get("/metrics")).status_code == 403


def test_narrowing_changes_nothing_in_the_daemon(daemon: Daemon) -> None:
    hidden(daemon)
    seen = narrowed(daemon.memory, {"chat"})
    assert list(daemon.memory.services) == ["chat", SECRET] and daemon.memory.trouble
    assert seen.called is daemon.memory.called and seen.services["chat"] is daemon.memory.services["chat"]
