"""One way to run a service: engine, GPU type, parallelism, price, and how fast that is.

A pool is what sizing multiplies and cost divides, so every number it needs stands here once, with its unit. The
step-time law is DESIGN 4: an engine iteration with N decoding sequences that read K thousand KV tokens and P thousand
prefill tokens takes ``a + b·N + k·K + p·P`` milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.replica import Tier


@dataclass(frozen=True, slots=True)
class StepTime:
    """The four numbers of a pool's step-time law, in milliseconds."""

    a_ms: float
    b_ms_per_seq: float
    k_ms_per_1k_kv_tokens: float
    p_ms_per_1k_prefill_tokens: float

    def step_ms(self, decoding: float, kv_tokens: float, prefill_tokens: float) -> float:
        """Duration of one iteration, ms."""
        return (
            self.a_ms
            + self.b_ms_per_seq * decoding
            + self.k_ms_per_1k_kv_tokens * kv_tokens / 1000
            + self.p_ms_per_1k_prefill_tokens * prefill_tokens / 1000
        )

    def work_ms(self, input_tokens: float, output_tokens: float) -> float:
        """Work ``w`` of a request with that many *uncached* input and output tokens, ms (DESIGN 4)."""
        context = input_tokens + output_tokens / 2
        return self.p_ms_per_1k_prefill_tokens * input_tokens / 1000 + output_tokens * (
            self.b_ms_per_seq + self.k_ms_per_1k_kv_tokens * context / 1000
        )


@dataclass(frozen=True, slots=True)
class LeadTime:
    """Seconds until a replica of one tier serves; lognormal through its median and 90th percentile."""

    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of identical replicas.

    ``lead_times[tier]`` is the time from that tier to ``active``; a tier that is absent is not available in this
    pool. ``holding_share[tier]`` is the part of its GPUs' price that a replica of that tier is charged, 1.0 on
    dedicated GPUs and less only where somebody else uses them meanwhile (DESIGN 4); absent means 1.0. The provider of
    a ``spot`` pool may take its GPUs back at a moment's notice.
    """

    name: str
    service: str
    engine: str
    gpu: str
    gpus_per_replica: int
    price_usd_per_gpu_hour: float
    step: StepTime
    kv_blocks: int
    block_tokens: int = 16
    max_num_seqs: int = 256
    max_batched_tokens: int = 2048
    max_model_tokens: int = 131072
    prefix_caching: bool = True
    lead_times: Mapping[Tier, LeadTime] = field(default_factory=dict)
    holding_share: Mapping[Tier, float] = field(default_factory=dict)
    spot: bool = False

    @property
    def kv_tokens(self) -> int:
        """KV capacity of one replica, tokens."""
        return self.kv_blocks * self.block_tokens

    @property
    def replica_usd_per_hour(self) -> float:
        """Price of one replica on GPUs of its own, USD per hour."""
        return self.gpus_per_replica * self.price_usd_per_gpu_hour

    def holding_usd_per_hour(self, tier: Tier) -> float:
        """What holding one replica in that tier costs, USD per hour; nothing runs in ``cold``."""
        if tier is Tier.COLD:
            return 0.0
        return self.replica_usd_per_hour * self.holding_share.get(tier, 1.0)
