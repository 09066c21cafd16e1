"""Dynamo's load loop: one replica more or less from what every engine reports now.

Corrections D4, D5, D8 and D12. Thresholds on queues and KV in the easy modes, estimated latencies in SLA mode; nothing
at all while a scale is in progress or a report is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoscaler.peers.dynamo.regression import Model, Pass

UP, STAY, DOWN, REFUSED = "scale_up", "no_change", "scale_down", "scale_down_refused_consolidation"

HELD = ("scaling_in_progress", "no_fpm_data", "worker_count_mismatch", "insufficient_data")
"""Reasons for which a tick decides nothing at all."""

NO_PASS = Pass()


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine's report: queued prefill tokens, KV tokens scheduled and queued, and its last pass."""

    queued_prefill: float = 0.0
    kv: float = 0.0
    queued_kv: float = 0.0
    last: Pass = NO_PASS


@dataclass(frozen=True, slots=True)
class Capability:
    """What an engine can do, in tokens; None where it is not known."""

    context_length: int | None = None
    max_kv: int | None = None
    max_batched: int | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """Shares above which any engine asks for more and below which all must be for less."""

    up: float
    down: float


PREFILL = {"throughput": Band(1.0, 0.1), "latency": Band(0.1, 0.0)}
"""Queued prefill tokens as a share of the context length; a 0 below means an empty queue (D4)."""

DECODE = {"throughput": Band(1.0, 0.6), "latency": Band(0.4, 0.1)}
"""KV tokens scheduled and queued as a share of the cache."""


def guard(engines: Sequence[Engine] | None, workers: int, expected_workers: int) -> str | None:
    """Why nothing may be decided, None if it may (D5)."""
    if expected_workers != workers:
        return "scaling_in_progress"
    if not engines:
        return "no_fpm_data"
    return "worker_count_mismatch" if len(engines) != workers else None


def easy_signal(mode: str, engines: Sequence[Engine], capability: Capability, band: Band) -> str | None:
    """UP, STAY, DOWN or REFUSED by thresholds; None where the capability that it needs is unknown.

    ``mode`` is ``prefill``, ``decode`` or ``agg``, whose queued prefill tokens count as KV.
    """
    size = capability.context_length if mode == "prefill" else capability.max_kv
    if not size:
        return None
    shares = [_tokens(mode, one) / size for one in engines]
    above: Callable[[float], bool] = (
        (lambda share: share >= band.up) if mode == "prefill" else (lambda share: share > band.up)
    )
    if any(map(above, shares)):
        return UP
    if not all(share < band.down or share == band.down == 0 for share in shares):
        return STAY
    count = len(engines)
    if count > 1 and any(above(share * count / (count - 1)) for share in shares):
        return REFUSED
    return DOWN


def _tokens(mode: str, one: Engine) -> float:
    if mode == "prefill":
        return one.queued_prefill
    return one.kv + one.queued_kv + (one.queued_prefill if mode == "agg" else 0.0)


@dataclass(frozen=True, slots=True)
class Sla:
    """Targets in seconds, and the safety factor of a scale-down."""

    ttft_s: float
    itl_s: float
    sensitivity: float = 0.8


def sla_signal(mode: str, engines: Sequence[Engine], capability: Capability, model: Model, sla: Sla) -> str | None:
    """UP if every engine's estimate is above its target, DOWN if one engine less would do, by the model's estimates."""
    if mode != "decode" and not capability.max_batched:
        return None
    sides = {
        "prefill": (_prefill_side,),
        "decode": (_decode_side,),
        "agg": (_prefill_side, _decode_side),
    }[mode]
    verdicts = [side(mode, engines, capability, model, sla) for side in sides]
    for verdict in (UP, REFUSED, STAY):
        if verdict in verdicts:
            return verdict
    return DOWN


def _prefill_side(mode: str, engines: Sequence[Engine], capability: Capability, model: Model, sla: Sla) -> str:
    """Time to first token, at the decode load of an aggregated engine."""
    batched = capability.max_batched
    assert batched is not None  # sla_signal has looked
    agg = mode == "agg"

    def ttft(queued: float, kv: float, one: Engine) -> float:
        return model.ttft_s(queued, batched, kv if agg else 0.0, requests=one.last.decode_requests if agg else 0.0)

    estimates = [ttft(one.queued_prefill, one.kv + one.queued_kv, one) for one in engines]

    def safe(one: Engine, count: int) -> bool:
        kv = grown(one.kv + one.queued_kv, count)
        own_s = ttft(0.0, kv, one)
        slack_s = (sla.ttft_s - own_s) * sla.sensitivity
        return slack_s > 0 and ttft(grown(one.queued_prefill, count), kv, one) - own_s < slack_s

    return _verdict(engines, estimates, sla.ttft_s, safe)


def _decode_side(mode: str, engines: Sequence[Engine], capability: Capability, model: Model, sla: Sla) -> str:
    """Time between tokens, and room in the cache."""
    estimates = [model.itl_s(one.kv, one.queued_kv) for one in engines]

    def safe(one: Engine, count: int) -> bool:
        total = one.kv + one.queued_kv + (one.queued_prefill if mode == "agg" else 0.0)
        if capability.max_kv and grown(total, count) >= capability.max_kv:
            return False
        return model.itl_s(grown(one.kv + one.queued_kv, count)) < sla.sensitivity * sla.itl_s

    return _verdict(engines, estimates, sla.itl_s, safe)


def _verdict(
    engines: Sequence[Engine], estimates: Sequence[float], target_s: float, safe: Callable[[Engine, int], bool]
) -> str:
    if all(estimate > target_s for estimate in estimates):
        return UP
    if any(estimate > target_s for estimate in estimates) or len(engines) < 2:
        return STAY
    return DOWN if all(safe(one, len(engines)) for one in engines) else REFUSED


def grown(load: float, count: int) -> int:
    """An engine's load after one of ``count`` has gone, whole tokens (D8)."""
    return int(load * count / (count - 1))


def moved(workers: int, signal: str) -> int:
    """The replicas that a signal proposes."""
    return workers + {UP: 1, DOWN: -1}.get(signal, 0)


def decide(
    engines: Sequence[Engine] | None,
    workers: int,
    expected_workers: int,
    signal: Callable[[Sequence[Engine]], str | None],
) -> tuple[int, str]:
    """The proposal of one tick before floor, minimum and budget, and its reason; a held one is ``workers``."""
    held = guard(engines, workers, expected_workers)
    verdict = signal(engines or ()) if held is None else None
    return (workers, held or "insufficient_data") if verdict is None else (moved(workers, verdict), verdict)


def while_pending(signal: str | None, ready: int, pending: int, min_endpoint: int = 1) -> int | None:
    """The replicas to fall back to while some still start, None to let them start (D12)."""
    if signal not in (DOWN, REFUSED) or pending == 0:
        return None
    if ready == 1 or signal == REFUSED:
        return ready
    return max(min_endpoint, ready - 1)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The executor's wait before starting replicas are given up: since when the same target has stood (D12)."""

    key: tuple[int, int, int] | None = None
    since_s: float = math.inf

    def step(self, at_s: float, target: int, ready: int, pending: int, interval_s: float) -> tuple[bool, Cancellation]:
        """Whether the target has lasted one load interval, and the new memory; an up proposal starts anew."""
        if target > ready:
            return False, Cancellation()
        key = (target, ready, pending)
        memory = self if self.key == key else Cancellation(key, at_s)
        return at_s - memory.since_s >= interval_s, memory
