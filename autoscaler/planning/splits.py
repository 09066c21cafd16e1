"""The ways to spread a model over GPUs that the links between them allow.

Tensor and expert parallelism exchange activations in every layer, so they stay where GPUs are joined by NVLink (8 in a
node, 72 in a GB200 rack), or among 4 on PCIe. Pipeline stages hand over once, so they may cross nodes: they are offered
where tensor parallelism ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.catalog.configuration import Configuration
from runtime.catalog.hardware import Gpu
from runtime.catalog.models import Model

NVLINK_TB_S = 0.2
NODE, RACK, PCIE = 8, 72, 4
STAGES = (2, 4)


@dataclass(frozen=True, slots=True, order=True)
class Split:
    """GPUs that share each layer, pipeline stages, groups that share the attention, groups that share the experts."""

    tensor: int
    stages: int = 1
    data: int = 1
    experts: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.stages * self.data

    @property
    def name(self) -> str:
        """As in TP4, TP4 PP2, TP8 EP8 or DP8 EP8."""
        parts = [("TP", self.tensor), ("DP", self.data), ("PP", self.stages), ("EP", self.experts)]
        return " ".join(f"{word}{n}" for word, n in parts if n > 1) or "TP1"

    def configuration(self, engine: str, model: Model, precision: str, gpu: str) -> Configuration:
        """Of one stage's GPUs, as the catalogue knows it: the catalogue has no pipelines."""
        group = self.tensor * self.data
        moe = model.active_b < model.parameters_b
        moe_tensor = group // self.experts if moe else 1
        return Configuration(engine, model.name, precision, gpu, self.tensor, self.data, moe_tensor, self.experts)


def domain(gpu: Gpu) -> int:
    """GPUs among which a layer may be shared."""
    if gpu.link_tb_s < NVLINK_TB_S:
        return PCIE
    return RACK if gpu.name.startswith("GB") else NODE


def splits(model: Model, gpu: Gpu, max_gpus: int) -> list[Split]:
    """All that use at most ``max_gpus``, powers of two."""
    most = min(domain(gpu), max_gpus)
    tensors = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= most]
    made = [Split(n) for n in tensors]
    on_pcie = gpu.link_tb_s < NVLINK_TB_S
    ends = [n for n in tensors if on_pcie or n == domain(gpu)]
    made += [Split(n, stages) for n in ends for stages in STAGES if n * stages <= max_gpus]
    if model.active_b < model.parameters_b:
        made += [Split(n, experts=n) for n in tensors if n > 1]
        if model.kv_heads == 1:
            # Tensor parallelism cannot divide latent attention: each GPU would keep all keys of all requests.
            made += [Split(1, data=n, experts=n) for n in tensors if n > 1]
    return sorted(made, key=lambda split: (split.gpus, split))
