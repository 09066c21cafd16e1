"""The settings that bite when they are missing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

from app.manifests.engine import LEAVE_S, Engine, Volume
from app.manifests.pod import template
from runtime.kubernetes.names import ROTATION_LABEL
from tests.app.manifests.test_engine import CHAT


def spec(worker: bool = False, **more: Any) -> dict[str, Any]:
    return template(Engine(**CHAT | more), worker)["spec"]


def container(worker: bool = False, **more: Any) -> dict[str, Any]:
    return spec(worker, **more)["containers"][0]


def value(made: dict[str, Any], name: str) -> str | None:
    return next((each.get("value", "") for each in made["env"] if each["name"] == name), None)


def option(made: dict[str, Any], name: str) -> str:
    return made["args"][made["args"].index(name) + 1]


def test_a_long_start_is_no_failure() -> None:
    probe = container(start_s=1801)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 1801


def test_a_busy_engine_is_not_killed() -> None:
    probe = container()["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 60 and probe["timeoutSeconds"] >= 10


def test_requests_end_before_the_pod_does() -> None:
    made = container(drain_s=300)
    assert made["lifecycle"]["preStop"]["sleep"]["seconds"] == LEAVE_S
    assert option(made, "--shutdown-timeout") == "300"
    assert spec(drain_s=300)["terminationGracePeriodSeconds"] >= LEAVE_S + 300


def test_workers_share_memory_and_talk_within_their_node() -> None:
    made = spec(gpus=4)
    shm = next(volume for volume in made["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Gi"}
    assert {"name": "shm", "mountPath": "/dev/shm"} in made["containers"][0]["volumeMounts"]
    assert option(made["containers"][0], "--tensor-parallel-size") == "4"
    assert "--nnodes" not in made["containers"][0]["args"]


def test_nodes_of_one_replica_find_their_leader() -> None:
    leader, worker = container(gpus=16, nodes=2), container(True, gpus=16, nodes=2)
    for made in (leader, worker):
        assert option(made, "--tensor-parallel-size") == "8" and option(made, "--pipeline-parallel-size") == "2"
        assert option(made, "--nnodes") == "2" and option(made, "--master-addr") == "$(LWS_LEADER_ADDRESS)"
        assert value(made, "NCCL_SOCKET_IFNAME") and value(made, "VLLM_HOST_IP") is not None
    assert option(leader, "--node-rank") == "0" and "--headless" in worker["args"]
    assert option(worker, "--node-rank") == "$(LWS_WORKER_INDEX)"
    assert "livenessProbe" not in worker and "ports" not in worker


def test_a_worker_waits_for_its_leader_to_end() -> None:
    *python, script = container(True, gpus=16, nodes=2)["lifecycle"]["preStop"]["exec"]["command"]
    with socket.create_server(("127.0.0.1", 0)) as leader:
        script = script.replace("8000", str(leader.getsockname()[1]))
        environment = {**os.environ, "LWS_LEADER_ADDRESS": "127.0.0.1"}
        waiting = subprocess.Popen([sys.executable, *python[1:], script], env=environment)
        leader.accept()[0].close()
        assert waiting.poll() is None
    assert waiting.wait(20) == 0


def test_what_the_cluster_puts_into_the_environment_does_not_reach_vllm() -> None:
    assert spec()["enableServiceLinks"] is False and spec()["automountServiceAccountToken"] is False


def test_it_runs_without_rights_on_a_root_that_it_cannot_write() -> None:
    made = container()
    assert made["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec()["securityContext"]["runAsNonRoot"] is True
    mounts = {mount["mountPath"] for mount in made["volumeMounts"]}
    for name in ("HOME", "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "HF_HOME"):
        assert any(str(value(made, name)).startswith(mount) for mount in mounts), name


def test_gpus_are_asked_for_where_they_are() -> None:
    made = spec(gpus=2, gpu_product="NVIDIA-H100-80GB-HBM3")
    assert made["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert made["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert "nodeSelector" not in spec()


def test_pods_serve_without_us_and_workers_never() -> None:
    assert template(Engine(**CHAT))["metadata"]["labels"][ROTATION_LABEL] == "in"
    assert "readinessGates" not in spec()  # nobody would serve where nobody opens it
    assert ROTATION_LABEL not in template(Engine(**CHAT), worker=True)["metadata"]["labels"]


def test_models_and_compiled_code_live_where_they_are_said_to() -> None:
    volumes = spec(weights=Volume("models"), cache=Volume(None, "/var/cache/vllm"))["volumes"]
    assert volumes[0]["persistentVolumeClaim"] == {"claimName": "models"}
    assert volumes[1]["hostPath"]["path"] == "/var/cache/vllm"


def test_sleep_needs_the_development_endpoints_and_only_then_are_they_there() -> None:
    assert value(container(sleep=True), "VLLM_SERVER_DEV_MODE") == "1"
    assert "--enable-sleep-mode" in container(sleep=True)["args"]
    assert value(container(), "VLLM_SERVER_DEV_MODE") is None


def test_what_is_given_wins() -> None:
    assert value(container(env={"NCCL_DEBUG": "INFO"}), "NCCL_DEBUG") == "INFO"
    assert container(args=("--max-model-len", "8192"))["args"][-1] == "8192"
    token = container(token_secret="hub")["env"][-1]
    assert token["valueFrom"]["secretKeyRef"] == {"name": "hub", "key": "token"}
