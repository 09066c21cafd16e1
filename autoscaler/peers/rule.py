"""What a peer sees of a fleet, and what it answers: the same for every peer, so that a comparison is fair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReplicaSignals:
    """One replica as its metrics showed it at the last scrape; one that is not ready yet shows none."""

    ready: bool
    age_s: float
    running: int = 0
    waiting: int = 0
    kv_usage_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class FleetSignals:
    """A service at one moment, as late and as coarse as its metrics pipeline makes it.

    ``desired`` is the number of replicas last asked for; ``replicas`` all that exist, ready or not. Latencies and rates
    are over the last minute, None where nothing was served. ``queued`` waits outside the engines.
    """

    at_s: float
    desired: int
    replicas: tuple[ReplicaSignals, ...]
    queued: int
    arrivals_per_s: float
    mean_input_tokens: float | None
    mean_output_tokens: float | None
    ttft_p90_s: float | None
    tpot_p90_s: float | None
    ttft_p99_s: float | None = None

    @property
    def ready(self) -> tuple[ReplicaSignals, ...]:
        """Those that serve."""
        return tuple(replica for replica in self.replicas if replica.ready)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every contender is given alike: bounds, the promise, and what one replica is.

    ``a_ms`` to ``p_ms`` are the step-time law (DESIGN 4); ``kv_tokens`` and ``max_num_seqs`` are per replica.
    """

    min_replicas: int
    max_replicas: int
    ttft_target_s: float
    tpot_target_s: float
    a_ms: float
    b_ms_per_seq: float
    k_ms_per_1k_kv_tokens: float
    p_ms_per_1k_prefill_tokens: float
    kv_tokens: int
    block_tokens: int
    max_num_seqs: int
    max_batched_tokens: int


class Rule(Protocol):
    """A peer at work on one service. It keeps its own memory, and is asked every ``interval_s`` of (virtual) time."""

    name: str
    interval_s: float

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted now, within the terms' bounds."""
        ...
