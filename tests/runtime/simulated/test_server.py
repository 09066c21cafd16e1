"""The fleet over HTTP: what Prometheus, a control loop, an operator and a client of one engine each rely on."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.replica import Tier
from runtime.simulated.replicas import FAILURE_SEEN_S
from tests.runtime.simulated.fleets import (
    START_S,
    mixed,
    replicas,
    run,
    service,
    submit_all,
    target,
    tiers,
    trace,
    world,
)
from tests.runtime.simulated.hosts import TICK_S, Driven, served


async def get(fleet: Driven, path: str) -> Any:
    answer = await fleet.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def aims(active: int, **more: Any) -> dict[str, Any]:
    return {"service": "chat", "pool": "chat-pool", "active": active, **more}


# --- time --------------------------------------------------------------------------------------------------------


async def test_it_is_healthy_and_tells_the_time() -> None:
    fleet = Driven(run(world(), 5.0), speed=60.0)
    assert await get(fleet, "/healthz") == {"status": "ok"}
    assert await get(fleet, "/clock") == {"now_s": START_S + 5, "speed": 60.0, "finished": False}


async def test_time_waits_for_who_waits_on_the_clock() -> None:
    fleet = Driven(world(), speed=600.0)
    for at_s in (15.0, 30.0):
        answer = await fleet.post("/clock/wait", {"client": "loop", "at_s": START_S + at_s})
        assert answer.json()["now_s"] == START_S + at_s
        fleet.live.advance(fleet.live.pacer.wall_s + 1.0)
        assert fleet.world.now_s == START_S + at_s
    await fleet.http.post("/clock/release", json={"client": "loop"})
    fleet.live.advance(fleet.live.pacer.wall_s + 1.0)
    assert fleet.world.now_s > START_S + 600


@pytest.mark.parametrize("body", [{}, {"client": "a"}, {"client": "a", "at_s": "soon"}, {"client": "a", "at_s": None}])
async def test_waiting_for_no_moment_is_refused(body: dict[str, Any]) -> None:
    assert (await Driven(world()).http.post("/clock/wait", json=body)).status_code == 422


async def test_the_clock_says_when_the_workload_has_ended() -> None:
    fleet = Driven(run(world(workload=trace(1.0, 3)), 30.0))
    assert (await get(fleet, "/clock"))["finished"] is True


async def test_a_world_that_broke_is_not_healthy() -> None:
    """Its time would stand still for ever while everything else looks well."""
    fleet = Driven(world())
    del fleet.world.held
    with pytest.raises(AttributeError, match="held"):
        async with fleet.app.router.lifespan_context(fleet.app):
            await asyncio.sleep(0.1)
            answer = await fleet.http.get("/healthz")
    assert (answer.status_code, "AttributeError" in answer.text) == (503, True)


# --- the fleet ---------------------------------------------------------------------------------------------------


async def test_targets_move_the_fleet_and_putting_them_again_does_nothing() -> None:
    fleet = Driven(world())
    for _ in range(2):
        answer = await fleet.http.put("/fleet/targets", json={"decision_id": "d1", "targets": [aims(3, standby=1)]})
        assert answer.json() == {"decision_id": "d1"}
        rows = await get(fleet, "/fleet/replicas")
        assert [row["transition"] for row in rows] == [None, "launching", "launching", "launching"]
    assert fleet.world.accounts[0].scale_ups == 1
    assert tiers(run(fleet.world, 100.0)) == {"active": 3, "standby": 1}


WRONG = [
    [aims(1, service="nobody")],
    [aims(1, pool="other")],
    [aims(-1)],
    [aims(1, asleep=-2)],
    [{"service": "chat", "pool": "chat-pool"}],
    [aims(1, sleeping=2)],
    [{**aims(1), "active": 2.5}],
    [{**aims(1), "active": "many"}],
    [{**aims(1), "active": None}],
    ["chat"],
    None,
    7,
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_wrong_targets_are_refused_and_nothing_moves(wrong: Any) -> None:
    fleet = Driven(world())
    targets = [aims(5), *wrong] if isinstance(wrong, list) else wrong
    answer = await fleet.http.put("/fleet/targets", json={"decision_id": "d1", "targets": targets})
    assert answer.status_code == 422
    assert fleet.world.replicas.targets["chat"].active == 1
    assert len(await get(fleet, "/fleet/replicas")) == 1


@pytest.mark.parametrize("path", ["/fleet/faults", "/clock/wait", "/clock/release"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
async def test_a_body_that_is_no_object_is_refused_everywhere(path: str, content: bytes) -> None:
    assert (await Driven(world()).http.post(path, content=content)).status_code == 400


async def test_replicas_are_told_with_an_address_that_answers() -> None:
    fleet = Driven(world())
    row = (await get(fleet, "/fleet/replicas"))[0]
    assert row["base_url"] == "http://fleet/replicas/chat-0001"
    assert (await fleet.http.get(row["base_url"] + "/health")).status_code == 200


async def test_lead_times_summary_nodes_and_past_are_told() -> None:
    fleet = Driven(run(target(world(), active=2), 101.0))
    assert await get(fleet, "/fleet/lead_times") == [
        {"pool": "chat-pool", "start": "cold", "seconds": 100.0, "at_s": START_S + 100}
    ]
    assert (await get(fleet, "/fleet/summary"))[0]["scale_ups"] == 1
    assert await get(fleet, "/fleet/nodes") == [f"chat-pool-node-00{i}" for i in range(3)]
    assert await get(fleet, "/fleet/past?hours=2") == {}
    assert (await fleet.http.get("/fleet/past?hours=-1")).status_code == 422


async def test_gpus_fail_and_are_repaired() -> None:
    fleet = Driven(world())
    uuid = replicas(fleet.world)[0].gpus[0].uuid
    assert (await fleet.http.post("/fleet/faults", json={"gpu": uuid, "kind": "ecc"})).status_code == 200
    assert (await get(fleet, "/fleet/replicas"))[0]["transition"] == "failed"
    run(fleet.world, FAILURE_SEEN_S + 100)
    assert [row["name"] for row in await get(fleet, "/fleet/replicas")] == ["chat-0002"]
    assert fleet.world.replicas.gpu(uuid).fault == "ecc"
    await fleet.http.post("/fleet/faults", json={"gpu": uuid, "kind": None})
    assert fleet.world.replicas.gpu(uuid).fault is None


async def test_a_pool_is_sold_out_and_comes_back() -> None:
    fleet = Driven(world())
    wanted = {"service": "chat", "pool": "chat-pool", "active": 2}
    assert (await fleet.http.post("/fleet/faults", json={"pool": "chat-pool", "kind": "sold_out"})).status_code == 200
    await fleet.http.put("/fleet/targets", json={"targets": [wanted], "decision_id": "d1"})
    assert tiers(run(fleet.world, 200.0)) == {"active": 1}
    await fleet.http.post("/fleet/faults", json={"pool": "chat-pool", "kind": None})
    assert tiers(run(fleet.world, 101.0)) == {"active": 2}


async def test_replicas_to_be_avoided_are_named_with_the_targets() -> None:
    fleet = Driven(world())
    wanted = {"service": "chat", "pool": "chat-pool", "active": 1, "avoid": ["chat-0001"]}
    put = await fleet.http.put("/fleet/targets", json={"targets": [wanted], "decision_id": "d1"})
    assert put.status_code == 200
    run(fleet.world, 101.0)
    assert [row["name"] for row in await get(fleet, "/fleet/replicas")] == ["chat-0002"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"gpu": "GPU-none", "kind": "xid"}, 404),
        ({"gpu": "GPU-none", "kind": None}, 404),
        ({"kind": "xid"}, 404),
        ({"gpu": "GPU-chat-pool-000-0", "kind": "melted"}, 422),
        ({"gpu": "GPU-chat-pool-000-0", "kind": "xid", "xid": "79"}, 422),
        ({"pool": "nobody's", "kind": "sold_out"}, 404),
        ({"pool": "chat-pool", "kind": "melted"}, 422),
    ],
)
async def test_a_wrong_fault_is_refused(fault: dict[str, Any], status: int) -> None:
    fleet = Driven(world())
    assert (await fleet.http.post("/fleet/faults", json=fault)).status_code == status
    assert tiers(fleet.world) == {"active": 1}


# --- discovery and pages -----------------------------------------------------------------------------------------


async def test_every_address_that_is_discovered_answers_with_metrics() -> None:
    fleet = Driven(run(target(world(), active=1, standby=1, asleep=1, warm_node=1), 101.0))
    groups = await get(fleet, "/sd")
    for group in groups:
        assert group["targets"] == ["fleet"]
        page = await fleet.http.get(group["labels"]["__metrics_path__"])
        assert page.headers["content-type"].startswith("text/plain")
        assert list(text_string_to_metric_families(page.text))
    engines = [group["labels"] for group in groups if "leadtime_replica" in group["labels"]]
    assert len(engines) == 3
    assert {(e["leadtime_service"], e["leadtime_pool"]) for e in engines} == {("chat", "chat-pool")}
    assert sum("leadtime_node" in group["labels"] for group in groups) == 3
    assert [g["labels"].get("leadtime_job") for g in groups].count("gateway") == 1


async def test_every_replica_is_told_with_its_pool() -> None:
    fleet = Driven(run(target(world(mixed()), active=1, pool=1), 101.0))
    assert [(row["name"], row["pool"]) for row in await get(fleet, "/fleet/replicas")] == [
        ("chat-0001", "fast"),
        ("chat-0002", "slow"),
    ]
    labels = [group["labels"] for group in await get(fleet, "/sd") if "leadtime_replica" in group["labels"]]
    assert [(e["leadtime_service"], e["leadtime_pool"]) for e in labels] == [("chat", "fast"), ("chat", "slow")]
    pages = [(await fleet.http.get(e["__metrics_path__"])).text for e in labels]
    assert ['num_gpu_blocks="501"' in page for page in pages] == [False, True]


async def test_targets_name_the_pool_that_they_are_for() -> None:
    fleet = Driven(world(mixed()))
    aim = {"service": "chat", "pool": "slow", "active": 2}
    assert (await fleet.http.put("/fleet/targets", json={"targets": [aim]})).status_code == 200
    assert [fleet.world.replicas.lane("chat", pool).target.active for pool in ("fast", "slow")] == [1, 2]


async def test_an_engine_that_launches_or_failed_has_no_page_and_is_not_discovered() -> None:
    fleet = Driven(target(world(service(active=1)), active=2))
    fleet.world.fail_gpu(replicas(fleet.world)[0].gpus[0].uuid, "ecc")
    names = [row["name"] for row in await get(fleet, "/fleet/replicas")]
    for name in names:
        for path in ("metrics", "health", "is_sleeping"):
            assert (await fleet.http.get(f"/replicas/{name}/{path}")).status_code == 503
    assert not any("leadtime_replica" in group["labels"] for group in await get(fleet, "/sd"))


async def test_what_does_not_exist_is_not_found() -> None:
    fleet = Driven(world())
    for path in ("/replicas/none/metrics", "/replicas/none/health", "/nodes/none/metrics", "/nothing"):
        assert (await fleet.http.get(path)).status_code == 404


async def test_the_gateway_counts_what_no_engine_has_seen() -> None:
    fleet = Driven(world(service(active=0, hold_s=5.0)))
    submit_all(fleet.world, [(16, 4), (16, 4)])
    run(fleet.world, 3.0)
    submit_all(fleet.world, [(16, 4)])
    run(fleet.world, 4.0)
    page = (await fleet.http.get("/gateway/metrics")).text
    values = {f.name: f.samples[0].value for f in text_string_to_metric_families(page)}
    assert values == {
        "leadtime_gateway_requests_held": 1,
        "leadtime_gateway_requests_rejected": 2,
        "leadtime_gateway_requests_arrived": 3,
        "leadtime_gateway_requests_ended": 2,
        "leadtime_gateway_requests_attained": 0,
    }


# --- one engine --------------------------------------------------------------------------------------------------


async def test_an_engine_sleeps_and_wakes_and_stays_healthy() -> None:
    fleet = Driven(world(service(active=2)))
    engine = "/replicas/chat-0001"
    assert (await fleet.http.post(f"{engine}/sleep?level=1")).status_code == 200
    assert await get(fleet, f"{engine}/is_sleeping") == {"is_sleeping": True}
    assert (await fleet.http.get(f"{engine}/health")).status_code == 200
    assert 'sleep_state="weights_offloaded"} 1.0' in (await fleet.http.get(f"{engine}/metrics")).text
    assert (await fleet.http.post(f"{engine}/wake_up")).status_code == 200
    assert await get(fleet, f"{engine}/is_sleeping") == {"is_sleeping": True}
    run(fleet.world, 4.0)
    assert await get(fleet, f"{engine}/is_sleeping") == {"is_sleeping": False}
    assert tiers(fleet.world) == {"active": 2}


async def test_a_busy_engine_refuses_to_sleep() -> None:
    fleet = Driven(world())
    fleet.world.submit("chat", 16, 100)
    assert (await fleet.http.post("/replicas/chat-0001/sleep")).status_code == 409
    assert len(replicas(fleet.world, Tier.ACTIVE)) == 1


async def test_a_request_by_name_reaches_that_engine() -> None:
    fleet = Driven(world(service(active=3)))
    body = {"model": "chat", "prompt": "hello", "max_tokens": 4}
    await fleet.post("/replicas/chat-0003/v1/completions", body)
    pages = [(await fleet.http.get(f"/replicas/chat-000{i}/metrics")).text for i in (1, 2, 3)]
    assert ['generation_tokens_total{engine="0",model_name="chat"} 4.0' in page for page in pages] == [0, 0, 1]


async def test_the_models_are_the_services() -> None:
    rows = (await get(Driven(world(service("chat"), service("code"))), "/v1/models"))["data"]
    assert [row["id"] for row in rows] == ["chat", "code"]


# --- on a real port ----------------------------------------------------------------------------------------------


async def test_a_client_that_hangs_up_frees_its_engine() -> None:
    """Both before and during the answer, over a real connection."""
    fleet = world(service(active=1))
    async with served(fleet, speed=1.0) as url, httpx.AsyncClient(base_url=url) as http:
        body = {"model": "chat", "prompt": "hello", "max_tokens": 10_000}
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/v1/completions", json=body, timeout=0.3)
        async with http.stream("POST", "/v1/completions", json={**body, "stream": True}) as answer:
            async for line in answer.aiter_lines():
                assert json.loads(line.removeprefix("data: "))["choices"][0]["text"] == " tok"
                break
        while fleet.slots.in_use or fleet.state.replicas[0]["used_blocks"]:
            await asyncio.sleep(TICK_S)
        assert int(fleet.state.replicas[0]["aborted"]) == 2


SERVE = """
import sys
from runtime.simulated.server import FleetSpec, serve
from tests.runtime.simulated.fleets import service, trace
serve(FleetSpec((service(),), trace(1.0, 10), 600.0), "127.0.0.1", int(sys.argv[1]))
"""


def test_it_serves_until_it_is_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, str(port)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE) as process:
        try:
            while process.poll() is None and not answers(f"http://127.0.0.1:{port}/healthz"):
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGINT)
    assert b"Error" not in errors


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.ConnectError:
        return False
