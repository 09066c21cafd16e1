"""Documents that an API server takes, and that do not fight with whoever scales."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiClient
from kubernetes.client.models import V1Deployment, V1PodDisruptionBudget, V1Service

from app.manifests import crd
from app.manifests.engine import Engine, Volume
from app.manifests.workload import documents, workload
from autoscaler.policy import Policy
from tests.app.manifests.apiserver import admit
from tests.app.manifests.test_engine import CHAT
from tests.kubernetes_versions import VERSIONS, taken

FULL: dict[str, Any] = CHAT | {
    "gpus": 2,
    "gpu_product": "NVIDIA-H100-80GB-HBM3",
    "weights": Volume("models"),
    "cache": Volume(None, "/var/cache/vllm"),
    "token_secret": "hub",
    "sleep": True,
    "replicas": 2,
}


def templates(engine: Engine) -> list[dict[str, Any]]:
    spec = workload(engine)["spec"]
    group = spec.get("leaderWorkerTemplate", {})
    return [spec["template"]] if "template" in spec else [group["leaderTemplate"], group["workerTemplate"]]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("more", [{}, FULL, {"gpus": 16, "nodes": 2}], ids=["plain", "full", "nodes"])
def test_every_version_takes_them(more: dict[str, Any], version: str) -> None:
    engine = Engine(**CHAT | more)
    for document in documents(engine):
        if document["kind"] != "LeaderWorkerSet":
            taken(document, version)
    for each in templates(engine):
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": each}
        taken(pod, version)


@pytest.mark.parametrize("model", [V1Deployment, V1Service, V1PodDisruptionBudget])
def test_the_client_reads_them(model: type) -> None:
    document = next(each for each in documents(Engine(**FULL)) if each["kind"] == model.__name__.removeprefix("V1"))
    read = ApiClient()._ApiClient__deserialize(document, model)  # type: ignore[attr-defined]
    assert read.metadata.name == "chat"


def test_nobody_sets_the_number_of_replicas_unless_asked() -> None:
    assert "replicas" not in workload(Engine(**CHAT))["spec"]
    assert "replicas" not in workload(Engine(**CHAT, gpus=16, nodes=2))["spec"]
    assert workload(Engine(**FULL))["spec"]["replicas"] == 2


def test_the_service_takes_pods_in_rotation_and_the_budget_all() -> None:
    deployment, service, budget = documents(Engine(**CHAT))
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert "leadtime.dev/rotation" in service["spec"]["selector"]
    assert "leadtime.dev/rotation" not in deployment["spec"]["selector"]["matchLabels"]
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]


def test_a_replica_on_several_nodes_serves_from_its_leader() -> None:
    engine = Engine(**CHAT, gpus=16, nodes=2)
    leader, worker = templates(engine)
    selector = documents(engine)[1]["spec"]["selector"].items()
    assert selector <= leader["metadata"]["labels"].items() and not selector <= worker["metadata"]["labels"].items()
    assert workload(engine)["spec"]["leaderWorkerTemplate"]["size"] == 2


def test_a_start_outlasts_no_deadline() -> None:
    assert workload(Engine(**CHAT, start_s=3000))["spec"]["progressDeadlineSeconds"] > 3000


def test_the_policy_is_taken_and_names_its_target() -> None:
    policy = Policy.model_validate({"replicas": {"max": 4}, "slo": {"ttft_s": 1.0}})
    made = documents(Engine(**CHAT | {"service": "chat-model"}, gpus=16, nodes=2), policy)[-1]
    stored, refused = admit(crd.schema(), made)
    assert not refused and made["spec"]["service"] == "chat-model"
    assert made["spec"]["targetRef"]["kind"] == "LeaderWorkerSet"
    assert made["spec"]["policy"] == {"mode": "shadow", "slo": {"ttft_s": 1.0}, "replicas": {"max": 4}}
    assert Policy.model_validate(stored["spec"]["policy"]) == policy
