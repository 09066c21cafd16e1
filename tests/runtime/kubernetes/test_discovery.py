"""Pools read from pod templates, as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.kubernetes.discovery import arguments, discover
from tests.runtime.kubernetes.recordings import body, items


def container(*args: str, **more: Any) -> dict[str, Any]:
    return {"name": "vllm", "image": "vllm/vllm-openai:v0.32.0", "args": list(args), **more}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers), **spec}}}}


def test_the_recorded_deployments_are_pools() -> None:
    found = {obj["metadata"]["name"]: discover(obj) for obj in items("deployment-list")}
    llama = found["vllm-llama-3-3-70b"]
    assert llama is not None
    assert (llama.engine, llama.model, llama.tensor_parallel) == ("vllm", "meta-llama/Llama-3.3-70B-Instruct", 2)
    assert (llama.gpu, llama.gpus_per_replica) == ("NVIDIA-H100-80GB-HBM3", 2)
    assert (llama.max_num_seqs, llama.prefix_caching, llama.quantization) == (None, None, None)


def test_a_group_counts_the_gpus_of_all_its_pods() -> None:
    found = discover(body("lws-get"))
    assert found is not None and found.gpus_per_replica == 16


@pytest.mark.parametrize(
    "told",
    [
        container("--model", "m", "--tensor-parallel-size", "4", "--max-model-len=32k", "--no-enable-prefix-caching"),
        container("--model=m", "-tp", "4", "--max_model_len", "32000", "--enable-prefix-caching=false"),
        container("--max-model-len", "32000", "--no-enable-prefix-caching", command=["vllm", "serve", "m", "-tp=4"]),
        container(
            command=["/bin/sh", "-c"],
            args=["exec vllm serve m --tensor-parallel-size 4 \\\n --max-model-len 32000 --no-enable-prefix-caching"],
        ),
        container(
            "--model=$(MODEL)", "-tp", "$(TP)", "--max-model-len", "32k", "--no-enable-prefix-caching",
            env=[{"name": "MODEL", "value": "m"}, {"name": "TP", "value": "4"}],
        ),
    ],
)  # fmt: skip
def test_arguments_in_all_their_spellings(told: dict[str, Any]) -> None:
    found = discover(deployment(told))
    assert found is not None
    assert (found.model, found.tensor_parallel, found.max_model_tokens) == ("m", 4, 32000)
    assert found.prefix_caching is False


def test_a_flag_is_no_value_of_the_one_before() -> None:
    told = arguments(container("--enable-sleep-mode", "--swap-space", "-1", "--trust-remote-code"))
    assert told == {"enable-sleep-mode": "true", "swap-space": "-1", "trust-remote-code": "true"}


def test_what_is_not_written_there_stays_a_variable() -> None:
    assert arguments(container("--model=$(SECRET)")) == {"model": "$(SECRET)"}


def test_slices_and_products_by_affinity() -> None:
    expression = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-A100-SXM4-80GB"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    sliced = container("--model", "m", resources={"limits": {"nvidia.com/mig-1g.10gb": "1"}})
    found = discover(deployment(sliced, affinity=affinity))
    assert found is not None
    assert (found.gpu, found.mig, found.gpus_per_replica) == ("NVIDIA-A100-SXM4-80GB", "mig-1g.10gb", 0)


def test_a_sidecar_is_no_engine_and_other_engines_are() -> None:
    sidecar = {"name": "proxy", "image": "envoy:1"}
    assert discover(deployment(sidecar)) is None
    launch = ["python3", "-m", "sglang.launch_server", "--model-path", "m", "--tp", "8"]
    found = discover(deployment(sidecar, {"name": "e", "image": "lmsysorg/sglang:v0.5", "command": launch}))
    assert found is not None and (found.engine, found.model, found.tensor_parallel) == ("sglang", "m", 8)
