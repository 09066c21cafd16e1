"""How many tokens of KV cache a replica has room for, estimated: nobody publishes it beside the measurements.

    tokens = groups · (UTILIZATION·memory − weights/GPUs − OTHER_GB) / KV bytes per token and GPU

Assumed: the engine takes 0.92 of each GPU's memory (vLLM's default), 3.9 GB of that go to activations, CUDA graphs and
NCCL (AIConfigurator's figure), weights are divided evenly over the GPUs, and a number in the cache is one or two bytes
as ``roofline.kv_element_bytes`` says. An engine that runs says it exactly (``num_gpu_blocks``): believe that one.
"""

from __future__ import annotations

from runtime.catalog import hardware
from runtime.catalog.configuration import Configuration
from runtime.catalog.models import known
from runtime.catalog.roofline import kv_element_bytes, kv_shards

UTILIZATION = 0.92
OTHER_GB = 3.9
GIB_IN_GB = 1.073741824


def kv_tokens(configuration: Configuration) -> int | None:
    """Tokens of KV cache of one replica, 0 where the weights do not fit; None for a model that is not known."""
    shape = known(configuration.model)
    if shape is None:
        return None
    memory_gb = UTILIZATION * hardware.gpu(configuration.gpu).memory_gib * GIB_IN_GB
    free_gb = memory_gb - shape.weight_gb(configuration.precision) / configuration.gpus - OTHER_GB
    per_token = shape.kv_bytes(kv_element_bytes(configuration)) / kv_shards(shape, configuration)
    return max(0, int(configuration.data_parallel * free_gb * 1e9 / per_token))


def engine_limits(gpu: str) -> tuple[int, int]:
    """(tokens per step, sequences) that vLLM's server allows by default on that GPU (reference 2.1)."""
    found = hardware.gpu(gpu)
    if found.memory_gib >= 160:
        return 16384, 1024
    if found.memory_gib >= 70 and not found.name.startswith("A100"):
        return 8192, 1024
    return 2048, 256
