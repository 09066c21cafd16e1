"""One pool of vLLM engines as an operator describes it, before any Kubernetes word is said.

Promise: what can be made can be run as far as arithmetic tells: tensor parallelism stays within a node, the grace
period outlasts the drain, and an argument that is ours is not given twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

OURS = (
    "--host",
    "--port",
    "--served-model-name",
    "--tensor-parallel-size",
    "-tp",
    "--pipeline-parallel-size",
    "-pp",
    "--nnodes",
    "--node-rank",
    "--master-addr",
    "--headless",
    "--shutdown-timeout",
    "--enable-sleep-mode",
)
"""Arguments that follow from the other fields."""

LABEL = r"[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?"
"""A DNS label, short enough for the names that Kubernetes makes from it."""

VALUE = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
"""What a label's value may be."""

LEAVE_S = 15
"""Seconds between the word that a pod goes and the end of new requests: endpoints and routers have to hear of it."""

AFTER_DRAIN_S = 30
"""Seconds that an engine has to end after its last request."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Where a folder lives: a claim, a folder of the node, or, with neither, nothing that outlives the pod."""

    claim: str | None = None
    host_path: str | None = None

    @classmethod
    def read(cls, text: str) -> Volume:
        """``empty``, ``pvc:NAME`` or ``host:/FOLDER``; raises ``ValueError`` for anything else."""
        kind, _, where = text.partition(":")
        if text == "empty":
            return cls()
        if kind == "pvc" and where:
            return cls(claim=where)
        if kind == "host" and where.startswith("/"):
            return cls(host_path=where)
        raise ValueError(f"volume {text!r} is not known; give empty, pvc:NAME or host:/FOLDER")


@dataclass(frozen=True, slots=True)
class Engine:
    """Replicas of one pool; ``gpus`` is what one replica occupies on all its ``nodes`` together.

    ``start_s`` is the longest start that is still a start, ``drain_s`` the longest wait for requests under way.
    ``replicas`` None leaves the number to whoever scales; a number in a file would be set again at every apply.
    """

    name: str
    service: str
    model: str
    namespace: str = "default"
    pool: str = ""
    image: str = "vllm/vllm-openai:v0.32.0"
    gpus: int = 1
    nodes: int = 1
    gpu_resource: str = "nvidia.com/gpu"
    gpu_product: str | None = None
    replicas: int | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 8000
    start_s: float = 1800.0
    drain_s: float = 900.0
    weights: Volume = Volume()
    cache: Volume = Volume()
    token_secret: str | None = None
    shm_gib: int = 16
    cpus: int | None = None
    memory_gib: int | None = None
    sleep: bool = False
    warm: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot run."""
        for what, text, shape in (("name", self.name, LABEL), ("namespace", self.namespace, LABEL)):
            if not re.fullmatch(shape, text):
                raise ValueError(f"{what} {text!r} is no DNS label; give at most 53 of a-z, 0-9 and -")
        for what, text in (("service", self.service), ("pool", self.pool_name)):
            if not re.fullmatch(VALUE, text):
                raise ValueError(f"{what} {text!r} is no label value; give at most 63 of letters, digits, -, _ and .")
        if self.gpus < 1 or self.nodes < 1 or self.gpus % self.nodes:
            raise ValueError(f"{self.gpus} GPUs on {self.nodes} nodes: give a number of GPUs that the nodes divide")
        if twice := [arg for arg in self.args if arg.split("=")[0] in OURS]:
            raise ValueError(f"argument {twice[0].split('=')[0]} follows from the other options; remove it")

    @property
    def pool_name(self) -> str:
        """The pool; the workload's own name unless given."""
        return self.pool or self.name

    @property
    def gpus_per_node(self) -> int:
        """Tensor parallelism: GPUs of one pod, which talk over NVLink."""
        return self.gpus // self.nodes

    @property
    def cpus_per_pod(self) -> int:
        """Cores asked for: one busy loop a worker, and API server, scheduler and tokenizer beside them."""
        return self.cpus if self.cpus is not None else 2 + 2 * self.gpus_per_node

    @property
    def memory_gib_per_pod(self) -> int:
        """Host memory, GiB; shared memory counts towards it. Sleeping keeps the weights there: give more."""
        return self.memory_gib if self.memory_gib is not None else 16 + 32 * self.gpus_per_node + self.shm_gib

    @property
    def grace_s(self) -> int:
        """How long a pod may take to go, seconds."""
        return round(LEAVE_S + self.drain_s + AFTER_DRAIN_S)
