"""Measurements made from numbers that are known, so that tests know what a fit should find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.catalog.configuration import Configuration
from runtime.catalog.fit import numbers, regressors
from runtime.catalog.table import Row
from runtime.pool import StepTime

LLAMA_70B = Configuration("vllm", "meta-llama/Llama-3.1-70B", "fp8", "H100-SXM", 2)
UNKNOWN = Configuration("vllm", "acme/Secret-9B", "fp8", "H100-SXM", 2)
STEP = StepTime(16.55, 0.041, 0.0581, 68.7)
SHAPES = ((128, 512), (512, 128), (1024, 1024), (2048, 256), (4096, 512), (1024, 4096), (8192, 1024))
LOADS = (1, 8, 32)

HEADER = "backend,backend_version,model_path,system,precision,isl,osl,concurrency,tp_size,attention_dp_size,"
HEADER += "moe_tp_size,moe_ep_size,silicon_ttft_ms,silicon_tpot_ms,measured"
LINE = "vllm,,meta-llama/Llama-3.1-70B,h100_sxm,fp8,1024,1024,64.0,2,1.0,2.0,1.0,415.1,28.77,2025-10-29"


def row(
    configuration: Configuration = LLAMA_70B,
    shape: tuple[int, int] = (1024, 1024),
    concurrency: int = 8,
    step: StepTime = STEP,
    ttft_ms: float = 200.0,
) -> Row:
    """A row whose TPOT obeys the law."""
    load = (np.array([float(value)]) for value in (*shape, concurrency))
    tpot_ms = float(regressors(*load)[0] @ numbers(step))
    return Row(configuration, "2025-10-29", *shape, concurrency, ttft_ms, tpot_ms)


def rows(
    configuration: Configuration = LLAMA_70B,
    step: StepTime = STEP,
    shapes: Sequence[tuple[int, int]] = SHAPES,
) -> list[Row]:
    """Every shape at every load."""
    return [row(configuration, shape, load, step) for shape in shapes for load in LOADS]
