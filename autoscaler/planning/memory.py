"""Where a GPU's memory goes: weights, what the engine needs beside them, KV cache; and whether it is enough.

The estimate is the catalogue's (``runtime.catalog.capacity``), taken apart, and carried over to pipeline stages, each
of which holds its share of the layers and of their keys and values.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.catalog import hardware
from runtime.catalog.capacity import GIB_IN_GB, OTHER_GB, UTILIZATION
from runtime.catalog.configuration import Configuration
from runtime.catalog.models import model
from runtime.catalog.roofline import kv_element_bytes, kv_shards


@dataclass(frozen=True, slots=True)
class Memory:
    """GiB of one GPU: all it has; weights; activations, graphs and communication; KV cache; what is left free.

    ``kv_tokens`` is the room of a whole replica. Where it does not fit, ``kv_gib`` and ``free_gib`` are 0.
    """

    total_gib: float
    weights_gib: float
    overhead_gib: float
    kv_gib: float
    free_gib: float
    kv_tokens: int

    @property
    def usable_gib(self) -> float:
        """What the engine takes of it."""
        return UTILIZATION * self.total_gib

    @property
    def fits(self) -> bool:
        """Whether anything is left for the KV cache."""
        return self.weights_gib + self.overhead_gib < self.usable_gib


def memory(configuration: Configuration, stages: int = 1) -> Memory:
    """Of a configuration cut into so many pipeline stages. Raises CatalogError for an unknown model or GPU."""
    shape, total = model(configuration.model), hardware.gpu(configuration.gpu).memory_gib
    weights = shape.weight_gb(configuration.precision) / (configuration.gpus * stages) / GIB_IN_GB
    overhead = OTHER_GB / GIB_IN_GB
    kv = max(0.0, UTILIZATION * total - weights - overhead)
    per_token = shape.kv_bytes(kv_element_bytes(configuration)) / kv_shards(shape, configuration) / stages
    tokens = int(configuration.data_parallel * kv * GIB_IN_GB * 1e9 / per_token)
    return Memory(total, weights, overhead, kv, max(0.0, total - weights - overhead - kv), tokens)
