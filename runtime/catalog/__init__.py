"""Silicon: how fast measured configurations are, and what that says about ones that nobody measured.

entry = find("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2")
entry = transfer("meta-llama/Llama-3.1-8B", "fp8", gpu="L4", tp=1)
pool = entry.pool("chat", price_usd_per_gpu_hour=2.69, lead_times={...})
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.catalog.entry import Entry
from runtime.catalog.errors import CatalogError
from runtime.catalog.store import configuration, shipped
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier

__all__ = ["CatalogError", "Entry", "entries", "find", "pool", "transfer"]


def entries() -> tuple[Entry, ...]:
    """Every measured configuration that ships."""
    return shipped().entries


def find(name: str) -> Entry:
    """The shipped entry of that name, or the only one with all its words. Raises CatalogError with near names."""
    return shipped().find(name)


def transfer(model: str, precision: str, gpu: str, tp: int = 1, engine: str = "vllm") -> Entry:
    """An entry from the nearest measured ones, whether or not this one was measured itself.

    Raises CatalogError for a model, a precision or a GPU that is not known.
    """
    return shipped().transfer(configuration(model, precision, gpu, tp, engine))


def pool(
    name: str, service: str, price_usd_per_gpu_hour: float, lead_times: Mapping[Tier, LeadTime] | None = None
) -> Pool:
    """A pool that runs the entry of that name; raises as ``find`` and ``Entry.pool`` do."""
    return find(name).pool(service, price_usd_per_gpu_hour, lead_times or {})
