"""What a workload runs, read from its pod template: engine, model, parallelism, limits, GPUs. Pure.

Whatever the template does not say is None, not a default: the engine's own defaults differ by version and GPU.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.kubernetes.nodes import GPU, MIG, PRODUCT, gpus_of

Json = dict[str, Any]

ENGINES = ("vllm", "sglang", "text-generation", "tensorrt", "trtllm")
SHELLS = ("sh", "bash", "/bin/sh", "/bin/bash")

SHORT = {
    "-tp": "tensor-parallel-size",
    "-pp": "pipeline-parallel-size",
    "-dp": "data-parallel-size",
    "-q": "quantization",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One engine container. ``gpus_per_replica`` counts those of all pods of a group; ``gpu`` is the product that the
    pods ask nodes for, ``mig`` the slices that they ask for in place of whole GPUs.
    """

    container: str
    engine: str
    image: str
    model: str | None
    served_name: str | None
    gpu: str | None
    gpus_per_replica: int
    mig: str | None
    tensor_parallel: int | None
    pipeline_parallel: int | None
    data_parallel: int | None
    max_num_seqs: int | None
    max_batched_tokens: int | None
    max_model_tokens: int | None
    block_tokens: int | None
    quantization: str | None
    prefix_caching: bool | None
    sleep_mode: bool


def discover(workload: Json) -> Found | None:
    """From a Deployment, StatefulSet or LeaderWorkerSet; None where no container asks for GPUs or is a known engine."""
    template, pods = _template(workload["spec"])
    spec = template.get("spec") or {}
    for container in spec.get("containers") or ():
        if _engine(container) is not None:
            return _found(container, spec, sum(gpus_of(pod).get(GPU, 0) for pod in pods))
    return None


def arguments(container: Json) -> dict[str, str]:
    """Options of its command by their long names, values as text, flags as ``true``. The model of ``vllm serve MODEL``
    is under ``model``. Variables of the container's environment are filled in where their value is written there.
    """
    env = {one["name"]: one.get("value", "") for one in container.get("env") or ()}
    words = [_filled(word, env) for word in [*(container.get("command") or ()), *(container.get("args") or ())]]
    return dict(_options(list(_unwrapped(words))))


def _template(spec: Json) -> tuple[Json, list[Json]]:
    """The pod that serves, and the specifications of all pods of one replica."""
    group = spec.get("leaderWorkerTemplate")
    if group is None:
        template: Json = spec.get("template") or {}
        return template, [template.get("spec") or {}]
    worker: Json = group.get("workerTemplate") or {}
    leader: Json = group.get("leaderTemplate") or worker
    workers = [worker.get("spec") or {}] * (int(group.get("size", 1)) - 1)
    return leader, [leader.get("spec") or {}, *workers]


def _found(container: Json, spec: Json, gpus: int) -> Found:
    told = arguments(container)
    slices = [kind for kind in gpus_of(spec) if kind.startswith(MIG)]
    return Found(
        container=container["name"],
        engine=_engine(container) or "",
        image=container.get("image", ""),
        model=told.get("model") or told.get("model-path") or told.get("model-id"),
        served_name=told.get("served-model-name"),
        gpu=_product(spec),
        gpus_per_replica=gpus,
        mig=slices[0].removeprefix("nvidia.com/") if slices else None,
        tensor_parallel=_int(told, "tensor-parallel-size", "tp-size", "tp"),
        pipeline_parallel=_int(told, "pipeline-parallel-size", "pp-size"),
        data_parallel=_int(told, "data-parallel-size", "dp-size"),
        max_num_seqs=_int(told, "max-num-seqs", "max-running-requests"),
        max_batched_tokens=_int(told, "max-num-batched-tokens"),
        max_model_tokens=_int(told, "max-model-len", "context-length"),
        block_tokens=_int(told, "block-size"),
        quantization=told.get("quantization"),
        prefix_caching=_switch(told, "enable-prefix-caching"),
        sleep_mode=_switch(told, "enable-sleep-mode") is True,
    )


def _engine(container: Json) -> str | None:
    """By its image or its command."""
    words = [container.get("image", ""), *(container.get("command") or ()), *(container.get("args") or ())]
    text = " ".join(words[:4]).lower()
    return next((engine for engine in ENGINES if engine in text), None)


def _product(spec: Json) -> str | None:
    """The GPU product by node selector or by the first value of a required node affinity."""
    if told := (spec.get("nodeSelector") or {}).get(PRODUCT):
        return str(told)
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for one in term.get("matchExpressions") or ():
            if one["key"] == PRODUCT and one["operator"] == "In" and one.get("values"):
                return str(one["values"][0])
    return None


def _unwrapped(words: Sequence[str]) -> Iterator[str]:
    """A command given to a shell as one text is split as the shell would; what it does besides is not looked at."""
    for i, word in enumerate(words):
        wrapped = i >= 2 and words[i - 2] in SHELLS and words[i - 1].startswith("-") and words[i - 1].endswith("c")
        yield from shlex.split(word, comments=True) if wrapped else [word]


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for i, word in enumerate(words):
        if word == "serve" and i + 1 < len(words) and not words[i + 1].startswith("-"):
            yield "model", words[i + 1]
        name, equals, value = word.partition("=")
        name = f"--{SHORT[name]}" if name in SHORT else name
        if not name.startswith("--"):
            continue
        following = words[i + 1] if i + 1 < len(words) else "-"
        text = value if equals else "true" if re.match(r"-[^\d]|-$", following) else following
        yield name[2:].replace("_", "-"), text


def _filled(word: str, env: Mapping[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), word)


def _int(told: Mapping[str, str], *names: str) -> int | None:
    """Engines take 8k for 8000 and 8K for 8192 too."""
    for name in names:
        found = re.fullmatch(r"(\d+)([kKmM]?)", told.get(name, ""))
        if found:
            return int(found[1]) * {"": 1, "k": 1000, "K": 1024, "m": 10**6, "M": 2**20}[found[2]]
    return None


def _switch(told: Mapping[str, str], name: str) -> bool | None:
    if f"no-{name}" in told:
        return False
    return told[name].lower() not in ("false", "0") if name in told else None
