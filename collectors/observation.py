"""What one tick saw: samples of single replicas and GPUs, and the observation of a service made from them.

Missing data is ``None`` and is named in ``gaps``; it is never a zero. Times are UTC seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Histogram:
    """A cumulative Prometheus histogram: ``counts[i]`` values at or below ``bounds[i]``, of which the last is +inf."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float


@dataclass(frozen=True, slots=True)
class ReplicaSample:
    """One scrape of one engine, in our names; ``None`` where the engine did not say. Counters are cumulative."""

    replica: str
    at_s: float
    running: float | None = None
    waiting: float | None = None
    kv_usage_ratio: float | None = None
    kv_capacity_tokens: float | None = None
    sleeping: bool | None = None
    input_tokens: float | None = None
    cached_tokens: float | None = None
    output_tokens: float | None = None
    completed: float | None = None
    aborted: float | None = None
    preemptions: float | None = None
    rejected: float | None = None
    iterations: float | None = None
    ttft: Histogram | None = None
    itl: Histogram | None = None
    tpot: Histogram | None = None
    output_lengths: Histogram | None = None


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU (or MIG slice) as dcgm-exporter reports it, in base units."""

    uuid: str
    node: str
    at_s: float
    index: str = ""
    model: str = ""
    mig: str = ""
    pod: str | None = None
    util_ratio: float | None = None
    sm_active_ratio: float | None = None
    tensor_active_ratio: float | None = None
    dram_active_ratio: float | None = None
    memory_used_bytes: float | None = None
    memory_free_bytes: float | None = None
    power_watts: float | None = None
    energy_joules: float | None = None
    temperature_celsius: float | None = None
    xid: int | None = None
    ecc_double_bit: float | None = None
    row_remap_failed: float | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that should have been seen and was not: what, and why, in a few words."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scrape:
    """Everything one source saw at one moment."""

    at_s: float
    replicas: Mapping[str, ReplicaSample]
    gpus: tuple[GpuSample, ...] = ()
    gateway: Mapping[str, GatewaySample] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    tenants: Mapping[str, TenantSample] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TenantSample:
    """What the router counts of one tenant, over all services: tokens of prompts and answers. Cumulative."""

    tenant: str
    at_s: float
    requests: float
    tokens: float


@dataclass(frozen=True, slots=True)
class GatewaySample:
    """What the router in front of a service counts: requests that no engine has seen (yet). Counters are cumulative.

    ``ended`` are the requests whose fate is known, rejected and lost ones among them, and ``attained`` those of them
    that kept the promise; None where the router does not count them.
    """

    service: str
    at_s: float
    held: float
    rejected: float
    arrived: float | None = None
    ended: float | None = None
    attained: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One service over the interval that ends at ``at_s``.

    Rates are per second over ``interval_s``. ``valid`` is False where so much is missing that nobody may scale in on
    it; ``gaps`` says what. ``arrivals_per_s`` counts completed + growth of running, waiting and held + rejected, so
    that a saturated fleet still shows its demand (DESIGN 4). ``ttft_s`` and ``tpot_s`` hold quantiles over requests
    (p50, p90, p99), and ``tpot_s`` the mean over tokens (mean). ``ended_per_s`` and ``attained_per_s`` are requests
    whose fate is known and those that kept the promise, as the router counted them.
    """

    service: str
    at_s: float
    interval_s: float
    valid: bool
    gaps: tuple[Gap, ...] = ()
    replicas_seen: int = 0
    replicas_expected: int = 0
    arrivals_per_s: float | None = None
    rejected_per_s: float | None = None
    input_tokens_per_s: float | None = None
    cached_tokens_per_s: float | None = None
    output_tokens_per_s: float | None = None
    completed_per_s: float | None = None
    preemptions_per_s: float | None = None
    mean_input_tokens: float | None = None
    mean_output_tokens: float | None = None
    output_tokens_second_moment: float | None = None
    running: float | None = None
    waiting: float | None = None
    held: float | None = None
    kv_usage_ratio: float | None = None
    kv_usage_max_ratio: float | None = None
    ttft_s: Mapping[str, float] = field(default_factory=dict)
    tpot_s: Mapping[str, float] = field(default_factory=dict)
    ttft: Histogram | None = None
    tpot: Histogram | None = None
    ended_per_s: float | None = None
    attained_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class GpuUse:
    """How many GPUs are busy, held by a replica that does nothing, and truly idle (reference: three states)."""

    busy: int
    idle_held: int
    idle: int
    faulty: int = 0
