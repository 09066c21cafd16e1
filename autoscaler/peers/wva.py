"""llm-d WVA, second version: tokens that the fleet can hold against tokens that are asked of it.

Formulas from reference peers 5.1 with corrections W1 and W2. ``analyse`` is the whole of the analyser, pure; ``WvaV2``
runs it every 60 s and hands the wish to an HPA with the behaviour of the chart: what it recommends counts only once it
has lasted for the chart's 240 s, up and down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoscaler.peers.rule import FleetSignals, Terms
from autoscaler.peers.wva_pipeline import Offer, cost_aware

HISTORY = 10
"""Observed k2 values that are averaged."""

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Config:
    """Thresholds of the analyser: saturation of one replica, and utilisation bounds of the fleet."""

    kv_threshold: float = 0.80
    queue_threshold: float = 5.0
    up: float = 0.85
    down: float = 0.70


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica that reports: tokens in its KV cache and its size, requests waiting, mean lengths, hit rate."""

    variant: str
    accelerator: str
    tokens_in_use: float
    kv_tokens: float
    queue: float
    avg_in: float
    avg_out: float
    hit: float = 0.0


@dataclass(frozen=True, slots=True)
class Variant:
    """Replica counts of one variant; ``pending`` are those not ready yet."""

    name: str
    current: int
    pending: int


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a variant apart from its replicas; ``live`` if the capacity was learned from a running one."""

    variant: str
    accelerator: str
    gpus: int
    capacity: float
    kv_tokens: float
    max_batched: int | None
    max_seqs: int | None
    args: str
    live: bool


@dataclass(frozen=True, slots=True)
class SchedulerQueue:
    """Requests that wait before any replica: how many, and bytes of their prompts."""

    size: int
    bytes: int = 0


History = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Tokens: per-replica capacity of each variant, demand, what is required and what is spare; and the new history."""

    capacity: Mapping[str, float]
    demand: float
    required: float
    spare: float
    history: History


def length_class(avg_out: float) -> str:
    """The class of output lengths in which capacity is remembered."""
    if avg_out < 100:
        return "short"
    return "medium" if avg_out < 500 else "long"


def derived_k2(max_batched: int | None, max_seqs: int | None, avg_in: float, avg_out: float) -> int:
    """Tokens in cache when the engine's batch limits bind; 0 where lengths or limits are unknown."""
    if not max_batched or not max_seqs or avg_out <= 0:
        return 0
    batch = min(max_batched * avg_out / (avg_in + avg_out), max_seqs)
    return int(batch * (avg_in + avg_out / 2))


def median(values: Sequence[float]) -> float:
    """The middle value; of an even count the truncated mean of the middle two; 0 of none."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return 0.0
    return ordered[middle] if len(ordered) % 2 else float(int((ordered[middle - 1] + ordered[middle]) / 2))


def remember(values: tuple[float, ...], value: float, size: int = HISTORY) -> tuple[float, ...]:
    """The last ``size`` values with one more."""
    return (*values, value)[-size:]


def mean(values: Sequence[float]) -> float:
    """Plain mean, 0 of none."""
    return sum(values) / len(values) if values else 0.0


def analyse(
    config: Config,
    replicas: Sequence[Replica],
    variants: Sequence[Variant],
    *,
    store: Sequence[Record] = (),
    queue: SchedulerQueue | None = None,
    history: History | None = None,
) -> Analysis:
    """One look at a model. Replicas without a KV size are skipped; pending ones count as supply for growth only."""
    known = [one for one in replicas if one.kv_tokens > 0]
    records = {record.variant: record for record in store}
    memory = dict(history or {})
    per_replica: dict[str, list[float]] = {}
    for one in known:
        per_replica.setdefault(one.variant, []).append(_replica_capacity(config, one, records, memory))
    capacity = {
        one.name: median(per_replica[one.name])
        if one.name in per_replica
        else _absent_capacity(config, records.get(one.name), known, store)
        for one in variants
    }
    demand = sum(one.tokens_in_use + one.queue * max(0, int(one.avg_in)) for one in known) + _queued(queue, known)
    anticipated = sum(one.current * capacity[one.name] for one in variants)
    ready = sum((one.current - one.pending) * capacity[one.name] for one in variants)
    required, spare = max(0.0, demand / config.up - anticipated), max(0.0, ready - demand / config.down)
    return Analysis(capacity, demand, required, spare, memory)


def _replica_capacity(
    config: Config, one: Replica, records: Mapping[str, Record], memory: dict[str, tuple[float, ...]]
) -> float:
    """The lesser of what memory (k1) and compute (k2) allow; an observed k2 is added to ``memory``."""
    k1 = int(one.kv_tokens * config.kv_threshold)
    key = f"{one.accelerator}|{length_class(one.avg_out)}"
    if one.queue >= config.queue_threshold and one.tokens_in_use > 0:
        memory[key] = remember(memory.get(key, ()), one.tokens_in_use)
        return min(k1, one.tokens_in_use)
    record = records.get(one.variant)
    k2 = int(mean(memory.get(key, ()))) or (
        derived_k2(record.max_batched, record.max_seqs, one.avg_in, one.avg_out) if record else 0
    )
    return min(k1, k2) if k2 > 0 else k1


def _lengths(replicas: Sequence[Replica]) -> tuple[float, float]:
    """Mean input and output tokens over the replicas that report a length."""
    return (
        mean([one.avg_in for one in replicas if one.avg_in > 0]),
        mean([one.avg_out for one in replicas if one.avg_out > 0]),
    )


def _absent_capacity(
    config: Config, record: Record | None, replicas: Sequence[Replica], store: Sequence[Record]
) -> float:
    """Capacity of a variant of which no replica reports (W1)."""
    if record is None:
        return 0.0
    estimate = derived_k2(record.max_batched, record.max_seqs, *_lengths(replicas))
    if record.live or estimate == 0:
        return record.capacity
    bounds = [float(estimate)]
    if record.kv_tokens > 0:
        bounds.append(int(record.kv_tokens * config.kv_threshold))
    bounds += [other.capacity for other in store if other.live and _alike(other, record)]
    return min(bounds)


def _alike(one: Record, other: Record) -> bool:
    return (one.accelerator, one.gpus, one.args) == (other.accelerator, other.gpus, other.args)


def _queued(queue: SchedulerQueue | None, replicas: Sequence[Replica]) -> float:
    """Tokens that the requests before all replicas will ask for: prompts less cache hits, and outputs."""
    if queue is None:
        return 0.0
    length_in, length_out = _lengths(replicas)
    hit = mean([one.hit for one in replicas])
    return max(queue.bytes / BYTES_PER_TOKEN, queue.size * length_in) * (1 - hit) + queue.size * length_out


@dataclass(frozen=True, slots=True)
class ChartHpa:
    """The chart's HPA on ``wva_desired_replicas``: AverageValue 1, tolerance 10 %, at most 10 pods per 150 s each way.

    ``wishes`` are (time, replicas) within the window, ``steps`` (time, change) within the policy's period.
    """

    stabilisation_s: float = 240.0
    tolerance: float = 0.1
    pods: int = 10
    period_s: float = 150.0
    wishes: tuple[tuple[float, int], ...] = ()
    steps: tuple[tuple[float, int], ...] = ()

    def step(self, at_s: float, current: int, wish: int, low: int, high: int) -> tuple[int, ChartHpa]:
        """Replicas now, and the memory for the next 15 s."""
        proposal = wish if abs(wish - current) > self.tolerance * current else current
        wishes = (*((when, count) for when, count in self.wishes if when > at_s - self.stabilisation_s),)
        seen = [proposal, *(count for _, count in wishes)]
        calmed = min(max(current, min(seen)), max(seen))
        steps = tuple((when, change) for when, change in self.steps if when > at_s - self.period_s)
        base_up = current - sum(change for _, change in steps if change > 0)
        base_down = current - sum(change for _, change in steps if change < 0)
        limited = min(max(calmed, min(current, base_down - self.pods)), max(current, base_up + self.pods))
        result = min(max(limited, low), high)
        moved = ((at_s, result - current),) if result != current else ()
        return result, replace(self, wishes=(*wishes, (at_s, proposal)), steps=(*steps, *moved))


class WvaV2:
    """WVA V2 for one variant on its own GPUs, and its chart's HPA. Ready replicas report; the others are pending.

    With ``stabilisation_s=0`` the wish is taken at once, which the chart does not do.
    """

    interval_s = 15.0
    KNOB: tuple[str, tuple[float, ...]] = ("kv_threshold", (0.4, 0.5, 0.6, 0.7, 0.8, 0.9))

    def __init__(
        self, terms: Terms, kv_threshold: float = 0.80, loop_s: float = 60.0, stabilisation_s: float = 240.0
    ) -> None:
        self.name = "wva" if stabilisation_s > 0 else "wva-direct"
        self._terms = terms
        self._config = Config(kv_threshold=kv_threshold)
        self._loop_s = loop_s
        self._hpa = ChartHpa(stabilisation_s)
        self._record = Record(
            "v",
            "gpu",
            1,
            terms.max_batched_tokens,
            terms.kv_tokens,
            terms.max_batched_tokens,
            terms.max_num_seqs,
            "",
            False,
        )
        self._history: History = {}
        self._wish: int | None = None
        self._next_loop_s = -math.inf

    def desired(self, signals: FleetSignals) -> int:
        """Replicas wanted now, within the terms' bounds."""
        if signals.at_s >= self._next_loop_s or self._wish is None:
            self._wish = self._optimise(signals)
            self._next_loop_s = signals.at_s + self._loop_s
        low, high = self._terms.min_replicas, self._terms.max_replicas
        result, self._hpa = self._hpa.step(signals.at_s, signals.desired, self._wish, low, high)
        return result

    def _optimise(self, signals: FleetSignals) -> int:
        analysis = analyse(
            self._config,
            self._reports(signals),
            [Variant("v", signals.desired, max(0, signals.desired - len(signals.ready)))],
            store=[self._record],
            queue=SchedulerQueue(signals.queued),
            history=self._history,
        )
        self._history = analysis.history
        capacity = analysis.capacity["v"]
        if signals.ready:
            self._record = replace(self._record, capacity=capacity, live=True)
        offer = Offer("v", 1.0, capacity, signals.desired)
        wish = cost_aware(analysis.required, analysis.spare, [offer])["v"]
        return min(max(wish, self._terms.min_replicas), self._terms.max_replicas)

    def _reports(self, signals: FleetSignals) -> list[Replica]:
        length_in, length_out = signals.mean_input_tokens or 0.0, signals.mean_output_tokens or 0.0
        size = self._terms.kv_tokens
        return [
            Replica("v", "gpu", one.kv_usage_ratio * size, size, one.waiting, length_in, length_out)
            for one in signals.ready
        ]
