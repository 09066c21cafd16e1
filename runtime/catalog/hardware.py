"""GPUs as their makers specify them: what transfer between them, and the estimate of KV memory, rest on.

Promise: dense arithmetic rates (never the sparse ones, which are twice as large), memory as the driver reports it.
Names are looked up without regard to case, dashes and form factor, so ``H100``, ``h100_sxm`` and ``H100-SXM`` are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.catalog.errors import CatalogError
from runtime.catalog.names import near


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU type.

    ``memory_gib`` is what the driver offers; ``bandwidth_tb_s`` of its memory; ``tflops`` dense, per precision of the
    matrices; ``link_tb_s`` to its neighbours in one direction (NVLink, or PCIe where there is none), TB/s.
    """

    name: str
    memory_gib: float
    bandwidth_tb_s: float
    tflops: Mapping[str, float]
    link_tb_s: float
    blackwell: bool = False
    source: str = "maker's data sheet"

    def tflops_at(self, precision: str) -> float:
        """Dense rate of matrices in that precision; one the GPU lacks runs at the rate of bf16, as weight-only."""
        return self.tflops.get(precision, self.tflops["bf16"])


_HOPPER = {"bf16": 989.0, "fp8": 1979.0}
_ADA_L4 = {"bf16": 121.0, "fp8": 242.0}
_ADA_L40S = {"bf16": 362.0, "fp8": 733.0}
_SPEC = "NVIDIA data sheet and AIConfigurator system files (commit 095f58a5); memory as nvidia-smi shows it"

GPUS: Mapping[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu("L4", 22.5, 0.300, _ADA_L4, 0.032, source=_SPEC),
        Gpu("L40S", 45.0, 0.864, _ADA_L40S, 0.032, source=_SPEC),
        Gpu("A10G", 22.5, 0.600, {"bf16": 70.0}, 0.032, source="AWS G5 figures, not checked against a data sheet"),
        Gpu("A100-SXM", 80.0, 2.039, {"bf16": 312.0}, 0.300, source=_SPEC),
        Gpu("H100-PCIE", 79.6, 2.000, {"bf16": 756.5, "fp8": 1513.0}, 0.064, source=_SPEC),
        Gpu("H100-SXM", 79.6, 3.350, _HOPPER, 0.450, source=_SPEC),
        Gpu("H200-SXM", 140.4, 4.800, _HOPPER, 0.450, source=_SPEC),
        Gpu("B200-SXM", 179.0, 8.000, {"bf16": 2250.0, "fp8": 4500.0, "fp4": 9000.0}, 0.900, True, _SPEC),
        Gpu("GB200", 184.0, 8.000, {"bf16": 2500.0, "fp8": 5000.0, "fp4": 10000.0}, 0.900, True, _SPEC),
        Gpu("B300-SXM", 269.0, 7.750, {"bf16": 2250.0, "fp8": 4500.0, "fp4": 14000.0}, 0.900, True, _SPEC),
    )
}


def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum()).removesuffix("80gb").removesuffix("sxm")


_BY_KEY = {_key(name): gpu for name, gpu in GPUS.items()}


def gpu(name: str) -> Gpu:
    """The GPU of that name. Raises CatalogError that lists near names for an unknown one."""
    found = _BY_KEY.get(_key(name))
    if found is None:
        raise CatalogError(f"GPU {name!r} is not known; {near(name, GPUS)}")
    return found
