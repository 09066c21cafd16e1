"""What ``leadtime manifest`` writes, the fleet finds: targets by label, pools by what the pod spec says of them."""

from __future__ import annotations

import pytest

from app.manifests import warm
from app.manifests.engine import Engine
from app.manifests.workload import workload
from runtime.kubernetes import marks
from runtime.kubernetes.discovery import discover
from runtime.kubernetes.names import ROTATION_IN
from runtime.kubernetes.resource import DEPLOYMENTS, LEADER_WORKER_SETS
from runtime.kubernetes.targets import found
from tests.app.manifests.test_engine import CHAT

ENGINE = Engine(**CHAT, namespace="llm", pool="chat-h100x2", gpus=2, gpu_product="NVIDIA-H100-80GB-HBM3", warm=True)
BIG = Engine(**CHAT | {"name": "big"}, namespace="llm", gpus=16, nodes=2)


def placed(engine: Engine) -> dict[str, object]:
    """With what the API server adds."""
    made = workload(engine)
    return made | {"metadata": made["metadata"] | {"namespace": engine.namespace, "uid": "u"}}


def test_a_workload_is_a_target_with_its_service_pool_and_placeholders() -> None:
    target = found(placed(ENGINE), DEPLOYMENTS)
    assert target is not None and target.key == ("chat", "chat-h100x2") and target.namespace == "llm"
    assert target.warm == warm.name(ENGINE)
    group = found(placed(BIG), LEADER_WORKER_SETS)
    assert group is not None and group.key == ("chat", "big") and group.warm is None


def test_placeholders_are_no_target() -> None:
    made = warm.deployment(ENGINE)
    assert found(made, DEPLOYMENTS) is None


def test_pods_begin_in_rotation() -> None:
    labels = workload(ENGINE)["spec"]["template"]["metadata"]["labels"]
    assert labels[marks.ROTATION] == marks.Rotation.IN == ROTATION_IN


@pytest.mark.parametrize("engine", [ENGINE, BIG], ids=["node", "nodes"])
def test_a_pool_is_read_off_its_pods(engine: Engine) -> None:
    pool = discover(placed(engine))
    assert pool is not None
    assert (pool.engine, pool.model, pool.served_name) == ("vllm", engine.model, engine.service)
    assert (pool.gpus_per_replica, pool.gpu) == (engine.gpus, engine.gpu_product)
    assert (pool.tensor_parallel, pool.pipeline_parallel or 1) == (engine.gpus_per_node, engine.nodes)
    assert pool.sleep_mode == engine.sleep
