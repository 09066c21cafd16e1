"""Fleets as peers see them, made up for tests of their rules."""

from __future__ import annotations

from collections.abc import Sequence

from autoscaler.peers.rule import FleetSignals, ReplicaSignals, Terms

TERMS = Terms(
    min_replicas=1,
    max_replicas=20,
    ttft_target_s=2.0,
    tpot_target_s=0.05,
    a_ms=10.0,
    b_ms_per_seq=0.1,
    k_ms_per_1k_kv_tokens=0.02,
    p_ms_per_1k_prefill_tokens=50.0,
    kv_tokens=400_000,
    block_tokens=16,
    max_num_seqs=256,
    max_batched_tokens=8192,
)


def replica(
    ready: bool = True, running: int = 0, waiting: int = 0, kv_usage_ratio: float = 0.0, age_s: float = 1000.0
) -> ReplicaSignals:
    """One replica, long ready and idle unless said otherwise."""
    return ReplicaSignals(ready, age_s, running, waiting, kv_usage_ratio)


def signals(
    at_s: float,
    desired: int,
    replicas: Sequence[ReplicaSignals],
    *,
    queued: int = 0,
    arrivals_per_s: float = 0.0,
    lengths: tuple[float, float] | None = (2000.0, 200.0),
) -> FleetSignals:
    """What a peer would see; ``lengths`` are the mean input and output tokens."""
    mean_in, mean_out = lengths if lengths is not None else (None, None)
    return FleetSignals(
        at_s, desired, tuple(replicas), queued, arrivals_per_s, mean_in, mean_out, ttft_p90_s=None, tpot_p90_s=None
    )
