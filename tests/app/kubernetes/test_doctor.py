"""Doctor names what is missing in a cluster, and only that."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.check import Check
from app.kubernetes.doctor import agents, fields, look, skew
from app.kubernetes.metrics import fields as dcgm_fields
from app.manifests.crd import crd, schema
from app.settings import Settings
from collectors.dcgm import PREFIX
from runtime.agent.client import RemoteFleet, Standing
from runtime.agent.server import create_agent
from runtime.kubernetes.client import Api
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.names import AGENT_LABEL
from runtime.kubernetes.times import micro
from tests.app.kubernetes.conftest import Setting
from tests.app.test_fleets import POOL
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/scalingpolicies.leadtime.dev"


@dataclass
class Server:
    """What the small server does not know: versions, reviews, definitions, OpenAPI."""

    denied: set[tuple[str, str]] = field(default_factory=set)
    definition: dict[str, Any] = field(default_factory=crd)
    readable: bool = True
    ahead_s: float = 0.0

    def __call__(self, request: httpx.Request) -> httpx.Response | None:
        path = request.url.path
        if path == "/version":
            date = {"Date": formatdate(time.time() + self.ahead_s, usegmt=True)}
            return httpx.Response(200, headers=date, json={"gitVersion": "v1.36.2", "minor": "36"})
        if path.endswith("selfsubjectaccessreviews"):
            told = json.loads(request.content)["spec"]["resourceAttributes"]
            name = told["resource"] + (f"/{told['subresource']}" if "subresource" in told else "")
            return httpx.Response(201, json={"status": {"allowed": (told["verb"], name) not in self.denied}})
        if path == DEFINITION and not self.readable:
            return httpx.Response(403, json={"reason": "Forbidden", "message": "no", "code": 403})
        if path == DEFINITION:
            status = {"conditions": [{"type": "Established", "status": "True"}]}
            return httpx.Response(200, json={**self.definition, "status": self.definition.get("status", status)})
        if path == "/apis/leadtime.dev/v1alpha1":
            return httpx.Response(200, json={"resources": []})
        if path == "/openapi/v3/apis/leadtime.dev/v1alpha1":
            served = self.definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            return httpx.Response(
                200, json={"components": {"schemas": {"dev.leadtime.v1alpha1.ScalingPolicy": served}}}
            )
        return None


class Now:
    """The machine's time, as doctor's own clock, for which the fleet's picture must be fresh."""

    async def now(self) -> float:
        return time.time()

    async def sleep_until(self, at_s: float) -> float:
        await asyncio.Event().wait()
        return at_s


@pytest.fixture
def server(setting: Setting) -> Server:
    made = Server()
    setting.cluster.server.faults.insert(0, made)
    return made


async def checks(
    setting: Setting,
    mode: str = "shadow",
    store: str = "sqlite:///x.db",
    token: Path | None = None,
    unrouted: Collection[str] = (),
    **changes: Any,
) -> dict[str, Check]:
    chosen = {"namespaces": ["llm"], "lease": "leadtime-daemon", "gitops": True, **changes}
    pool = POOL | {"name": "chat-h100"}
    service = {"name": "chat", "policy": {"mode": mode}, "pools": [pool]}
    fleet = {"kind": "kubernetes", "kubernetes": chosen, "token_file": token}
    told = {"fleet": fleet, "services": [service], "store": {"url": store}}
    told |= {"source": {"kind": "prometheus", "url": "http://127.0.0.1:1"}}
    api = Api(Connection("http://cluster", namespace="ops"), Now(), transport=setting.cluster.server)
    return {check.name: check for check in await look(Settings.model_validate(told), api, unrouted)}


async def test_a_cluster_that_has_it_all_is_well(setting: Setting, server: Server) -> None:
    found = await checks(setting)
    assert {check.status for check in found.values()} == {"ok"}, found
    assert found["pool chat-h100"].detail == "Deployment llm/chat, 2 replicas"
    assert found["cluster"].detail == "http://cluster: v1.36.2"
    assert setting.cluster.server.writes == []


async def test_missing_rights_are_named_and_weigh_by_what_is_wanted(setting: Setting, server: Server) -> None:
    server.denied = {("patch", "deployments/scale"), ("create", "pods/eviction")}
    found = (await checks(setting))["rights in llm"]
    assert found.status == "warn" and "may not patch deployments/scale, create pods/eviction" in found.detail
    assert (await checks(setting, mode="auto"))["rights in llm"].status == "fail"
    server.denied = {("watch", "pods")}
    assert (await checks(setting))["rights in llm"].status == "fail"


async def test_the_definition_missing_unready_or_older(setting: Setting, server: Server) -> None:
    name = "resource scalingpolicies.leadtime.dev"
    server.definition = copy.deepcopy(crd())
    policy = server.definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del policy["policy"]["properties"]["tuning"]
    for server.readable in (True, False):
        found = (await checks(setting))[name]
        assert found.status == "fail" and "does not know spec.policy.tuning" in found.detail
    server.readable, server.definition = True, {**crd(), "status": {"conditions": []}}
    assert "not Established" in (await checks(setting))[name].detail
    setting.cluster.server.faults.insert(0, _no_definition)
    found = (await checks(setting))[name]
    assert found.status == "warn" and "kubectl apply --server-side -f deploy/crds" in found.detail


def _no_definition(request: httpx.Request) -> httpx.Response | None:
    return httpx.Response(404, text="404 page not found") if request.url.path.startswith("/apis/leadtime.dev") else None


async def test_workloads_that_are_not_there_and_rivals(setting: Setting, server: Server) -> None:
    setting.cluster.autoscaler("chat")
    found = (await checks(setting))["pool chat-h100"]
    assert found.status == "fail" and "HorizontalPodAutoscaler llm/hpa scales it too" in found.detail
    setting.cluster.server.remove("deployments", setting.cluster.server.get("deployments", "chat"))
    found = (await checks(setting))["pool chat-h100"]
    assert found.status == "fail" and "label one leadtime.dev/service=chat leadtime.dev/pool=chat-h100" in found.detail


async def test_a_leader_elsewhere_does_not_share_a_file(setting: Setting, server: Server) -> None:
    spec = {"holderIdentity": "daemon-1_abc", "leaseDurationSeconds": 30, "renewTime": micro(time.time())}
    meta = {"name": "leadtime-daemon", "namespace": "ops"}
    setting.cluster.server.put("leases", {"metadata": meta, "spec": spec})
    found = (await checks(setting))["lease"]
    assert found.status == "fail" and "daemon-1_abc leads elsewhere" in found.detail
    shared = (await checks(setting, store="postgresql+psycopg://leadtime@db/leadtime"))["lease"]
    assert (shared.status, shared.detail) == ("ok", "daemon-1_abc leads")
    assert (await checks(setting, lease=None))["lease"].status == "warn"


async def test_a_server_that_does_not_answer_is_all_that_is_said(setting: Setting) -> None:
    setting.cluster.server.faults.insert(0, lambda request: httpx.ConnectError("refused"))
    found = await checks(setting)
    assert list(found) == ["cluster"] and "is the kubeconfig the right one?" in found["cluster"].detail


async def test_a_clock_that_is_off_is_named(setting: Setting, server: Server) -> None:
    server.ahead_s = 300.0
    found = (await checks(setting))["clock of the cluster"]
    assert found.status == "fail" and "ahead of this machine's; set both by NTP" in found.detail
    assert [skew(at).status for at in (-3.0, 20.0, -60.0)] == ["ok", "warn", "fail"]


def test_fields_of_a_schema_are_told_by_name() -> None:
    known = set(fields(schema()))
    assert {"spec.policy.replicas.min", "spec.targetRef.name", "status.conditions[].type"} <= known


def test_dcgm_fields_that_are_missing_are_named() -> None:
    legacy = ["DEV_GPU_UTIL", "DEV_FB_USED", "DEV_FB_FREE", "DEV_POWER_USAGE", "DEV_TOTAL_ENERGY_CONSUMPTION"]
    legacy += ["DEV_GPU_TEMP", "DEV_XID_ERRORS", "DEV_ROW_REMAP_FAILURE", "PROF_PIPE_TENSOR_ACTIVE", "PROF_DRAM_ACTIVE"]
    found = dcgm_fields(PREFIX + name for name in legacy)
    assert found.status == "warn" and "missing: sm_active_ratio, ecc_double_bit; give dcgm-exporter" in found.detail
    more = [*legacy, "PROF_SM_ACTIVE", "DEV_ECC_DBE_VOL_TOTAL"]
    assert dcgm_fields(PREFIX + name for name in more).status == "ok"
    assert "GPUs are not seen" in dcgm_fields([]).detail


def service(setting: Setting, template: dict[str, str], **selector: str) -> None:
    """A Service, and what the Deployment's template bears."""
    obj = copy.deepcopy(setting.cluster.server.get("deployments", "chat"))
    obj["spec"]["template"] = {"metadata": {"labels": template}}
    setting.cluster.server.put("deployments", obj)
    told = {key.replace("leadtime_dev_", "leadtime.dev/"): value for key, value in selector.items()}
    meta = {"name": "chat-service", "namespace": "llm"}
    setting.cluster.server.put("services", {"metadata": meta, "spec": {"selector": told}})


IN = {"app": "chat", "leadtime.dev/rotation": "in"}


@pytest.mark.parametrize(
    ("template", "selector", "mode", "status", "said"),
    [
        (IN, {"app": "chat", "leadtime_dev_rotation": "in"}, "auto", "ok", "in rotation alone"),
        (IN, {"app": "chat"}, "shadow", "warn", "does not ask for leadtime.dev/rotation: in"),
        (IN, {"app": "chat"}, "auto", "fail", "add it to its selector"),
        (IN, {"app": "chat", "leadtime_dev_rotation": "out"}, "shadow", "fail", "asks for leadtime.dev/rotation: out"),
        ({"app": "chat"}, {"app": "chat", "leadtime_dev_rotation": "in"}, "shadow", "fail", "does not bear it"),
    ],
)
async def test_services_that_send_to_pods_out_of_rotation(
    setting: Setting,
    server: Server,
    template: dict[str, str],
    selector: dict[str, str],
    mode: str,
    status: str,
    said: str,
) -> None:
    service(setting, template, **selector)
    check = (await checks(setting, mode))["service of chat-h100"]
    assert check.status == status and said in check.detail and "llm/chat-service" in check.detail


async def test_services_of_others_and_those_that_may_not_be_read(setting: Setting, server: Server) -> None:
    service(setting, IN, app="web")
    assert "service of chat-h100" not in await checks(setting)

    def forbidden(request: httpx.Request) -> httpx.Response | None:
        said = {"reason": "Forbidden", "message": "services is forbidden", "code": 403}
        return httpx.Response(403, json=said) if request.url.path.endswith("/services") else None

    setting.cluster.server.faults.append(forbidden)
    check = (await checks(setting))["service of chat-h100"]
    assert (check.status, check.detail) == ("warn", "cannot be told: services is forbidden")


async def test_a_plain_service_before_which_no_router_is_seen(setting: Setting, server: Server) -> None:
    service(setting, IN, app="chat", leadtime_dev_rotation="in")
    assert "routing of chat" not in await checks(setting)
    check = (await checks(setting, unrouted=["chat"]))["routing of chat"]
    assert check.status == "warn" and "Service llm/chat-service is sent by chance" in check.detail
    setting.cluster.server.get("services", "chat-service")["spec"]["clusterIP"] = "None"
    assert "routing of chat" not in await checks(setting, unrouted=["chat"])


async def test_a_pool_for_which_there_is_no_agent_pod(setting: Setting, server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("x" * 32)
    found = await checks(setting, token=secret, agent_pools=["chat-h100"])
    assert found["pool chat-h100"].status == "fail"
    assert "no pod with the label leadtime.dev/agent holds it" in found["pool chat-h100"].detail


async def test_each_agent_that_cannot_be_asked_is_named(
    setting: Setting, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("x" * 32)
    shared = setting.cluster.workload("shared", 2, "statefulsets")
    shared["spec"]["mock"]["labels"][AGENT_LABEL] = "in"
    setting.cluster.server.put("statefulsets", shared)
    for _ in range(20):
        setting.cluster.step(5.0)
    async with listening(create_agent(Instant(), "another-token-of-agents")) as url:
        monkeypatch.setattr("app.kubernetes.doctor.caller", lambda _: lambda pod: RemoteFleet(url, "x" * 32))
        found = await checks(setting, token=tmp_path / "token", agent_pools=["chat-h100"])
    named = [found[f"agent llm/shared-{number}"] for number in range(2)]
    assert all(check.status == "fail" and "it refuses our token" in check.detail for check in named)


def test_agents_that_are_apart_and_certificates_that_end_soon_are_named() -> None:
    day_s = 86400.0
    standings = {"llm/a-0": Standing("not trusted", 0.0), "llm/a-1": Standing("", 5 * day_s), "llm/a-2": Standing()}
    found = agents(standings | {"llm/a-3": Standing("", 20 * day_s)}, 0.0)
    assert [(check.name, check.status) for check in found] == [
        ("agent llm/a-0", "fail"),
        ("certificate of agent llm/a-1", "warn"),
    ]
