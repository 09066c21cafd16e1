"""Placeholders fill the room of a replica, and give it up."""

from __future__ import annotations

import pytest

from app.manifests import warm
from app.manifests.engine import Engine
from app.manifests.workload import documents
from tests.app.manifests.test_engine import CHAT
from tests.kubernetes_versions import VERSIONS, taken

ENGINE = Engine(**CHAT, gpus=2, gpu_product="NVIDIA-H100-80GB-HBM3", warm=True)


def test_each_takes_the_room_of_one_replica_on_the_same_nodes() -> None:
    real, placeholder = (each["spec"]["template"]["spec"] for each in documents(ENGINE) if each["kind"] == "Deployment")
    for key in ("nodeSelector", "tolerations"):
        assert placeholder[key] == real[key]
    assert placeholder["containers"][0]["resources"] == real["containers"][0]["resources"]
    assert placeholder["containers"][0]["image"] == real["containers"][0]["image"]


def test_it_goes_at_once_and_serves_nobody() -> None:
    made = warm.deployment(ENGINE)["spec"]
    assert made["replicas"] == 0 and made["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    assert made["template"]["spec"]["priorityClassName"] == warm.priority_class()["metadata"]["name"]
    assert warm.priority_class()["value"] < 0
    service = next(each for each in documents(ENGINE) if each["kind"] == "Service")
    assert not service["spec"]["selector"].items() <= made["template"]["metadata"]["labels"].items()


def test_the_workload_names_it_and_only_if_asked_to() -> None:
    first = documents(ENGINE)[0]
    assert first["metadata"]["labels"]["leadtime.dev/warm"] == warm.deployment(ENGINE)["metadata"]["name"]
    assert [each["kind"] for each in documents(Engine(**CHAT))] == ["Deployment", "Service", "PodDisruptionBudget"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_takes_them(version: str) -> None:
    for document in documents(ENGINE):
        taken(document, version)
