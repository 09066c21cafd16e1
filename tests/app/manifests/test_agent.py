"""Agent pods that an API server takes, that the fleet finds, and that give nothing away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.manifests.agent import AgentPods, documents
from app.manifests.agentpools import agents_of
from app.settings import Settings
from runtime.agent.split import Stay
from runtime.kubernetes.agentpods import found
from runtime.kubernetes.resource import STATEFUL_SETS
from runtime.kubernetes.targets import found as target
from tests.app.manifests.test_agentpools import GIVEN, SHARED
from tests.kubernetes_versions import VERSIONS, taken

AGENTS = agents_of(SHARED, None, **GIVEN, namespace="llm", replicas=2)


def of(kind: str, agents: AgentPods = AGENTS) -> dict[str, Any]:
    return next(one for one in documents(agents) if one["kind"] == kind)


def pod() -> dict[str, Any]:
    return dict(of("StatefulSet")["spec"]["template"]["spec"])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_takes_them(version: str) -> None:
    for document in documents(AGENTS):
        taken(document, version)


def test_the_fleet_finds_the_pod_as_an_agent_and_its_workload_as_no_target() -> None:
    template = of("StatefulSet")["spec"]["template"]
    meta = template["metadata"] | {
        "name": "leadtime-agents-0",
        "namespace": "llm",
        "uid": "u",
        "creationTimestamp": "2026-11-21T00:00:00Z",
    }
    (one,) = found([{"metadata": meta, "spec": template["spec"], "status": {"podIP": "10.0.0.7"}}])
    assert (one.url, one.stay) == ("http://10.0.0.7:8900", Stay.STAYS)
    assert target(of("StatefulSet"), STATEFUL_SETS) is None


def test_it_has_no_account_owns_its_gpus_and_its_token_comes_from_a_secret() -> None:
    (container,) = pod()["containers"]
    assert pod()["automountServiceAccountToken"] is False
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert volumes["token"]["secret"]["secretName"] == "leadtime-agent"
    assert all(mount["name"] in volumes for mount in container["volumeMounts"])
    assert not any(document["kind"] in ("Secret", "Role", "ServiceAccount") for document in documents(AGENTS))


def test_every_pod_has_a_name_and_an_address_of_its_own() -> None:
    (container,) = pod()["containers"]
    fields = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"] for one in container["env"] if "valueFrom" in one}
    assert container["args"] == ["--node", "$(POD_NAME)", "--address", "$(POD_IP)"]
    assert fields == {"POD_NAME": "metadata.name", "POD_IP": "status.podIP"}


def test_it_is_empty_before_it_ends() -> None:
    (container,) = pod()["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"][-1] == "--leave"
    assert pod()["terminationGracePeriodSeconds"] > AGENTS.pod.drain_s


def test_somebody_else_buries_what_engines_leave_behind() -> None:
    assert pod()["shareProcessNamespace"] is True


SAFE = agents_of(SHARED, None, **GIVEN, namespace="llm", tls_secret="agents-tls")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_takes_them_with_a_certificate(version: str) -> None:
    taken(of("StatefulSet", SAFE), version)


def test_with_a_certificate_it_serves_and_is_probed_by_https() -> None:
    spec = of("StatefulSet", SAFE)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert {container[f"{kind}Probe"]["httpGet"]["scheme"] for kind in ("startup", "readiness", "liveness")} == {
        "HTTPS"
    }
    secret = next(volume["secret"] for volume in spec["volumes"] if volume["name"] == "tls")
    folder = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "tls")
    told = Settings.model_validate(SAFE.config).fleet
    assert secret["secretName"] == "agents-tls" and told.url == "https://0.0.0.0:8900"
    assert told.local is not None and told.local.tls is not None
    assert (told.local.tls.cert_file, told.local.tls.key_file) == (Path(folder, "tls.crt"), Path(folder, "tls.key"))


def test_without_one_there_is_nothing_of_it() -> None:
    assert "tls" not in str(documents(AGENTS)).lower() and "HTTPS" not in str(documents(AGENTS))


def test_another_file_is_another_template() -> None:
    other = agents_of(SHARED, None, **GIVEN | {"gpus": 4}, namespace="llm")
    notes = [of("StatefulSet", one)["spec"]["template"]["metadata"]["annotations"] for one in (AGENTS, other)]
    assert notes[0] != notes[1]
