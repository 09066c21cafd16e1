"""What stands behind a fleet of the file: its client, its clock, and what an agent of this machine is told to run."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.access.tls import renewing
from app.errors import UserError
from app.fleets import caller, clock_of, cluster_spec, fleet_of, local_spec
from app.kubernetes.fleet import ClusterFleet
from app.settings import Settings, load
from runtime.agent.client import RemoteFleet, Untrusted
from runtime.agent.many import ManyAgents
from runtime.agent.server import create_agent
from runtime.agent.split import Stay
from runtime.clock import WallClock
from runtime.kubernetes.agentpods import AgentPod
from runtime.kubernetes.client import NotLeading
from runtime.kubernetes.resource import PODS
from runtime.local.spec import UNBOUND, Kind, Sleep
from runtime.simulated.client import SimulatedClock, SimulatedFleet
from tests.certificates import Authority
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

POOL = {
    "name": "chat-l4",
    "gpu": "L4",
    "price_usd_per_gpu_hour": 0.8,
    "step": {"a_ms": 10, "b_ms_per_seq": 0.1, "k_ms_per_1k_kv_tokens": 0.02, "p_ms_per_1k_prefill_tokens": 30},
    "kv_blocks": 2000,
    "lead_times": {"cold": {"p50_s": 60, "p90_s": 90}},
    "launch": {"model": "/models/chat", "args": ["--max-model-len", "4096"], "memory_gib": 10, "sleep": "level1"},
}
LOCAL = {"python": "/opt/vllm/bin/python", "slots": [{"gpus": ["0"], "memory_gib": 22}, {"gpus": ["1"]}]}


def content(fleet: dict[str, Any], **pool: Any) -> dict[str, Any]:
    return {"fleet": fleet, "services": [{"name": "chat", "pools": [{**POOL, **pool}]}]}


def settings(fleet: dict[str, Any], **pool: Any) -> Settings:
    return Settings.model_validate(content(fleet, **pool))


def refused(tmp_path: Path, fleet: dict[str, Any], **pool: Any) -> str:
    file = tmp_path / "fleet.yaml"
    file.write_text(yaml.safe_dump(content(fleet, **pool)))
    with pytest.raises(UserError) as error:
        load(file)
    return str(error.value)


async def test_several_agents_are_one_fleet() -> None:
    made = fleet_of(
        settings({"kind": "local", "agents": {"a": "http://127.0.0.1:8901/", "b": "http://127.0.0.1:8902"}})
    )
    assert isinstance(made, ManyAgents) and made.url == "http://127.0.0.1:8901"
    await made.close()


def test_authorities_that_cannot_be_read_are_one_line() -> None:
    asked = {"kind": "local", "url": "https://10.0.0.7:8900", "token_file": "/t", "ca_file": "/nowhere/ca.crt"}
    with pytest.raises(UserError, match=r"fleet\.token_file: /t: No such file"):
        fleet_of(settings(asked))
    del asked["token_file"]
    with pytest.raises(UserError, match=r"fleet\.ca_file: /nowhere/ca\.crt: No such file"):
        fleet_of(settings(asked | {"url": "https://127.0.0.1:8900"}))


def test_engines_that_others_reach_listen_for_all_unless_they_say_otherwise() -> None:
    def args(address: str) -> tuple[str, ...]:
        return local_spec(settings({"kind": "local", "local": LOCAL | {"address": address}})).engines[0].args

    assert args("127.0.0.1") == ("--max-model-len", "4096")
    assert args("10.0.0.7") == ("--host", "0.0.0.0", "--max-model-len", "4096")


async def test_a_simulated_fleet_has_a_clock_of_its_own_and_a_real_one_the_machine_s() -> None:
    for fleet, client, clock in (
        ({}, SimulatedFleet, SimulatedClock),
        ({"kind": "local", "local": LOCAL}, RemoteFleet, WallClock),
    ):
        chosen = settings(fleet)
        made = fleet_of(chosen)
        assert type(made) is client and type(clock_of(chosen)) is clock
        await made.close()


def test_the_agent_is_told_engines_and_slots() -> None:
    spec = local_spec(settings({"kind": "local", "local": LOCAL | {"orphan_s": 300}}))
    (engine,) = spec.engines
    assert (engine.service, engine.pool, engine.model) == ("chat", "chat-l4", "/models/chat")
    assert (engine.memory_bytes, engine.sleep, engine.args) == (10 << 30, Sleep.LEVEL1, ("--max-model-len", "4096"))
    assert [slot.devices for slot in spec.slots] == [("0",), ("1",)]
    assert spec.slots[0].memory_bytes == 22 << 30
    assert spec.orphan_s == 300 and spec.home.is_absolute()


def test_any_core_is_no_core_in_particular() -> None:
    local = LOCAL | {"slots": [{"cores": ["any"]}, {"cores": ["any"]}, {"cores": ["0-3", "4-7"]}]}
    spec = local_spec(settings({"kind": "local", "local": local}, launch={"model": "m"}))
    assert [slot.devices for slot in spec.slots] == [(UNBOUND,), (UNBOUND,), ("0-3", "4-7")]
    assert {slot.kind for slot in spec.slots} == {Kind.CPU}
    assert not spec.slots[0].overlaps(spec.slots[1])


@pytest.mark.parametrize(
    ("fleet", "pool", "why"),
    [
        ({"kind": "local"}, {}, "fleet.local is missing"),
        ({"kind": "local", "local": LOCAL}, {"launch": None}, "no pool has launch"),
        ({"kind": "local", "local": LOCAL}, {"gpus_per_replica": 2}, "slot0: 1 GPUs, engine chat-l4 needs 2"),
        ({"kind": "local", "local": LOCAL | {"ports": [9000, 8000]}}, {}, "9000 to 8000 is no range"),
        (
            {"kind": "local", "local": LOCAL | {"slots": [{"cores": ["0"]}]}},
            {},
            "sleep level1 needs GPUs; on CPU cores, pause or none",
        ),
    ],
)
def test_what_an_agent_could_not_run_is_one_line(fleet: dict[str, Any], pool: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError) as error:
        local_spec(settings(fleet, **pool))
    assert why in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fleet", "why"),
    [
        ({"kind": "local", "url": "http://10.0.0.7:8900"}, "not loopback and token_file is missing"),
        ({"kind": "local", "url": "10.0.0.7"}, "is no address; give http://HOST:PORT"),
        ({"kind": "local", "agents": {"a": "http://10.0.0.7:8900"}}, "not loopback and token_file is missing"),
        ({"kind": "local", "agents": {"a": "http://[::1]:1", "b": "http://[::1]:1/"}}, "is the agent of two machines"),
        ({"kind": "local", "ca_file": "/ca.crt"}, "is plain HTTP and ca_file is given; give https://HOST:PORT"),
        (
            {"kind": "local", "ca_file": "/ca.crt", "agents": {"a": "https://[::1]:1", "b": "http://[::1]:2"}},
            "http://[::1]:2 is plain HTTP and ca_file is given",
        ),
        ({"kind": "local", "local": LOCAL | {"tls": {"cert_file": "/a.crt"}}}, "key_file"),
        ({"kind": "local", "local": LOCAL | {"slots": [{}]}}, "give either gpus or cores"),
        ({"kind": "local", "local": LOCAL | {"slots": [{"gpus": ["0"], "cores": ["1"]}]}}, "give either gpus or cores"),
        ({"kind": "local", "local": LOCAL | {"drain_s": 0}}, "drain_s: 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, fleet: dict[str, Any], why: str) -> None:
    told = refused(tmp_path, fleet)
    assert why in told and "fleet.yaml" in told and "\n" not in told


CLUSTER = {
    "kind": "kubernetes",
    "kubernetes": {"namespaces": ["llm"], "targets": [{"pool": "chat-l4", "name": "vllm"}]},
}


def test_a_cluster_is_told_what_is_scaled() -> None:
    spec = cluster_spec(settings(CLUSTER))
    (target,) = spec.targets
    assert (target.service, target.pool, target.namespace, target.name) == ("chat", "chat-l4", "llm", "vllm")
    assert target.sleep is Sleep.LEVEL1 and spec.discover == ("llm",) and not spec.nodes


async def test_a_cluster_s_fleet_may_not_write_unless_it_is_told(tmp_path: Path) -> None:
    user = {"name": "u", "user": {"token": "t"}}
    context = {"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "ops"}}
    server = {"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}
    file = tmp_path / "kubeconfig"
    file.write_text(
        yaml.safe_dump({"clusters": [server], "contexts": [context], "users": [user], "current-context": "c"})
    )
    fleet = fleet_of(settings({"kind": "kubernetes", "kubernetes": {"namespaces": ["llm"], "kubeconfig": str(file)}}))
    assert isinstance(fleet, ClusterFleet) and fleet.api.connection.namespace == "ops"
    with pytest.raises(NotLeading):
        await fleet.api.merge(PODS.at("llm", "p"), {})
    await fleet.close()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"kubeconfig": "/nowhere/config"}, "fleet.kubernetes: /nowhere/config"),
        ({"targets": [{"pool": "chat-b200", "name": "vllm"}]}, "no pool 'chat-b200'; known: chat-l4"),
        (
            {"targets": [{"pool": "chat-l4", "name": "a"}, {"pool": "chat-l4", "name": "b"}]},
            "chat chat-l4 is there twice",
        ),
    ],
)
def test_what_no_cluster_can_have_is_one_line(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError) as error:
        fleet_of(settings({"kind": "kubernetes", "kubernetes": {"namespaces": ["llm"], **changed}}))
    assert why in str(error.value)


def test_pools_in_agent_pods_are_pools_of_the_file_and_need_a_token(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("x" * 32)
    inside = {"kind": "kubernetes", "kubernetes": {"namespaces": ["llm"], "agent_pools": ["chat-l4"]}}
    given = inside | {"token_file": str(secret)}
    assert cluster_spec(settings(given)).agent_pools == (("chat", "chat-l4"),)
    assert "token_file is missing" in refused(tmp_path, inside)
    given["kubernetes"] = {"namespaces": ["llm"], "agent_pools": ["other"]}
    with pytest.raises(UserError, match="agent_pools: no pool 'other'; known: chat-l4"):
        cluster_spec(settings(given))


async def test_agents_of_the_file_are_asked_by_https_with_its_authorities(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x" * 32)
    ours, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    files = ours.issue("agent", "127.0.0.1")
    async with listening(create_agent(Instant(), "x" * 32), renewing(files, "tls")) as url:
        given = {"kind": "local", "agents": {"a": url}, "token_file": str(tmp_path / "token")}
        for authority in (ours, stranger):
            fleet = fleet_of(settings(given | {"ca_file": str(authority.file)}))
            with contextlib.nullcontext() if authority is ours else pytest.raises(Untrusted):
                assert await fleet.replicas() == ()
            await fleet.close()


async def test_agent_pods_are_asked_by_https_under_their_names(tmp_path: Path) -> None:
    """Their addresses are in no certificate, and without the file's authorities they are strangers."""
    (tmp_path / "token").write_text("x" * 32)
    ours = Authority(tmp_path)
    inside = {"kind": "kubernetes", "kubernetes": {"namespaces": ["llm"], "agent_pools": ["chat-l4"]}}
    given = inside | {"token_file": str(tmp_path / "token"), "ca_file": str(ours.file)}
    assert cluster_spec(settings(given)).agent_tls and not cluster_spec(settings(given | {"ca_file": None})).agent_tls
    files = ours.issue("pods", "*.shared.llm.svc")
    async with listening(create_agent(Instant(), "x" * 32), renewing(files, "tls")) as url:
        pod = AgentPod("llm", "shared-0", "u", url, "shared-0.shared.llm.svc", "node", True, Stay.STAYS, ("", ""))
        for chosen, trusted in ((given, True), (given | {"ca_file": None}, False)):
            agent = caller(settings(chosen))(pod)
            with contextlib.nullcontext() if trusted else pytest.raises(Untrusted):
                assert await agent.replicas() == ()
            await agent.close()


def test_a_cluster_has_no_racks_of_its_own() -> None:
    rack = {
        "name": "r",
        "gpu": "L4",
        "gpus": 1,
        "max_gpus": 8,
        "price_usd_per_gpu_hour": 0.8,
        "lead_time": {"p50_s": 60, "p90_s": 90},
    }
    given = content(CLUSTER, lead_times={"asleep": {"p50_s": 1, "p90_s": 2}}) | {"racks": [rack]}
    given["services"][0]["rack"] = "r"
    with pytest.raises(UserError, match="a fleet of kind kubernetes has none; remove rack r"):
        cluster_spec(Settings.model_validate(given))


def test_a_cluster_without_namespaces_is_refused(tmp_path: Path) -> None:
    assert "give kubernetes: {namespaces: [llm]}" in refused(tmp_path, {"kind": "kubernetes"})
