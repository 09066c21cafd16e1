"""How long an engine pass takes: Dynamo's online fit of what engines report, and what follows from it.

Correction D6. One ``Model`` serves all roles: a prefill engine's pass depends on its tokens, a decode engine's on its
requests and KV tokens, an aggregated one's on prefill and KV tokens. Times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MAX_HIT = 0.95
BATCH_LIMIT = 4096
"""Largest batch that is tried where the engine did not say its own."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One engine pass: tokens and requests of each kind, and its duration, 0 for a heartbeat."""

    prefill_tokens: float = 0.0
    prefill_requests: float = 0.0
    decode_requests: float = 0.0
    kv_tokens: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """Seconds of a pass, ``per_prefill·tokens + per_request·requests + per_kv·tokens + base``, and recent means."""

    per_prefill_s: float
    per_request_s: float
    per_kv_s: float
    base_s: float
    mean_isl: float
    mean_prefill_tokens: float
    mean_requests: float
    mean_kv_per_request: float

    def wall_s(self, prefill_tokens: float = 0.0, requests: float = 0.0, kv_tokens: float = 0.0) -> float:
        """Duration of one pass."""
        return (
            self.base_s
            + self.per_prefill_s * prefill_tokens
            + self.per_request_s * requests
            + self.per_kv_s * kv_tokens
        )

    def ttft_s(
        self, queued: float, max_batched: int, kv_tokens: float = 0.0, hit: float | None = None, requests: float = 0.0
    ) -> float:
        """The queue and one more prompt, in chunks of ``max_batched`` tokens beside what is being decoded."""
        tokens = (queued + self.mean_isl) * (1 - clipped_hit(hit))
        chunks = math.ceil(tokens / max_batched)
        return chunks * self.wall_s(0.0, requests, kv_tokens) + self.per_prefill_s * tokens

    def itl_s(self, kv_tokens: float, queued_kv: float = 0.0) -> float:
        """A pass with one request more than usual on top of the KV tokens that are there and queued."""
        kv = kv_tokens + queued_kv + self.mean_kv_per_request
        return self.wall_s(self.mean_prefill_tokens, self.mean_requests + 1, kv)


def clipped_hit(hit: float | None) -> float:
    """A prefix-cache hit rate within 0 and 0.95; unknown is 0."""
    return 0.0 if hit is None or math.isnan(hit) else min(max(hit, 0.0), MAX_HIT)


Features = Callable[[Pass], tuple[float, ...]]

FEATURES: dict[str, Features] = {
    "prefill": lambda one: (one.prefill_tokens,),
    "decode": lambda one: (one.decode_requests, one.kv_tokens),
    "agg": lambda one: (one.prefill_tokens, one.kv_tokens),
}


def retained(role: str, passes: Sequence[Pass], max_samples: int, buckets: int) -> list[Pass]:
    """What the store keeps: passes with a duration, and above ``max_samples`` the oldest of the fullest bucket goes.

    ``buckets`` cut the range of one feature; with two features each has their square root (D7).
    """
    kept: list[Pass] = []
    for one in passes:
        if one.wall_s > 0:
            kept.append(one)
        if len(kept) > max_samples:
            kept.pop(_crowded(FEATURES[role], kept, buckets))
    return kept


def _crowded(features: Features, kept: Sequence[Pass], buckets: int) -> int:
    """Index of the oldest pass in the fullest bucket."""
    points = np.array([features(one) for one in kept])
    each = buckets if points.shape[1] == 1 else math.isqrt(buckets)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    cells = np.minimum((points - low) / np.where(span > 0, span, 1.0) * each, each - 1).astype(int)
    keys = [tuple(cell) for cell in cells.tolist()]
    fullest = max(keys, key=keys.count)
    return keys.index(fullest)


def fit(
    role: str, passes: Sequence[Pass], *, min_observations: int = 5, max_samples: int = 64, buckets: int = 16
) -> Model | None:
    """Least squares over the kept passes; None with too few of them or where the fit makes no physical sense."""
    kept = retained(role, passes, max_samples, buckets)
    if not kept or len(kept) < min_observations:
        return None
    coefficients, base = _least_squares(np.array([FEATURES[role](one) for one in kept]), [one.wall_s for one in kept])
    means = _means(passes[-max_samples:])
    if role == "prefill":
        return Model(coefficients[0], 0.0, 0.0, base, *means)
    if role == "decode":
        per_request, per_kv = coefficients
        return Model(0.0, max(0.0, per_request), per_kv, base, *means) if per_kv >= 0 else None
    per_prefill, per_kv = coefficients
    return Model(per_prefill, 0.0, per_kv, base, *means) if min(per_prefill, per_kv) >= 0 else None


def _least_squares(features: np.ndarray, walls: Sequence[float]) -> tuple[list[float], float]:
    """Coefficients of least norm and the intercept; collinear features share what they explain."""
    target = np.array(walls)
    centre = features.mean(axis=0)
    solution = np.linalg.lstsq(features - centre, target - target.mean(), rcond=None)[0]
    # A feature that does not vary gets a rounding error of either sign: it explains nothing.
    solution = np.where(np.abs(solution) < 1e-15, 0.0, solution)
    return [float(value) for value in solution], float(target.mean() - centre @ solution)


def _means(passes: Sequence[Pass]) -> tuple[float, float, float, float]:
    """Input tokens per request, prefill tokens, decoding requests and KV tokens per request, of recent passes."""
    return (
        _mean([one.prefill_tokens / one.prefill_requests if one.prefill_requests else 0.0 for one in passes]),
        _mean([one.prefill_tokens for one in passes]),
        _mean([one.decode_requests for one in passes]),
        _mean([one.kv_tokens / one.decode_requests if one.decode_requests else 0.0 for one in passes]),
    )


def _mean(values: Sequence[float]) -> float:
    """Plain mean without leading zeros, 0 of nothing."""
    first = next((i for i, value in enumerate(values) if value != 0), len(values))
    kept = values[first:]
    return sum(kept) / len(kept) if kept else 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """What one engine carries: requests per second, and its latencies there in seconds, 0 where there is none."""

    rps: float
    ttft_s: float = 0.0
    itl_s: float = 0.0


def prefill_rate(model: Model, isl: float, hit: float | None = None) -> Rate:
    """A prefill engine, one prompt after another."""
    tokens = isl * (1 - clipped_hit(hit))
    wall_s = model.wall_s(tokens)
    return Rate(1 / wall_s, ttft_s=wall_s) if tokens > 0 and wall_s > 0 else Rate(0.0)


def decode_rate(model: Model, context: float, osl: float, itl_target_s: float, batch_limit: float) -> Rate:
    """A decode engine at the largest batch within the ITL target; at one request where none is."""
    if context <= 0 or osl <= 0:
        return Rate(0.0)
    best = Rate(0.0)
    for batch in range(1, max(1, int(min(batch_limit, BATCH_LIMIT))) + 1):
        wall_s = model.wall_s(0.0, batch, batch * context)
        if batch > 1 and wall_s > itl_target_s:
            break
        best = Rate(batch / (osl * wall_s), itl_s=wall_s)
    return best


@dataclass(frozen=True, slots=True)
class Load:
    """Mean lengths in tokens, the targets in seconds and the engine's batch limit in tokens of an aggregated engine."""

    isl: float
    osl: float
    ttft_target_s: float
    itl_target_s: float
    max_batched: int
    hit: float | None = None


def agg_rate(model: Model, load: Load, batch_limit: float = BATCH_LIMIT) -> Rate:
    """An aggregated engine at the largest batch within both targets; at one request where none is.

    In a steady state each pass prefills ``batch·isl/osl`` tokens, which must fit beside the batch (peers 6).
    """
    if load.isl <= 0 or load.osl <= 0:
        return Rate(0.0)
    best = _agg_at(model, load, 1)
    for batch in range(2, int(min(batch_limit, load.max_batched - 1)) + 1):
        rate = _agg_at(model, load, batch)
        fits = load.isl / (load.max_batched - batch) <= load.osl
        if not fits or rate.ttft_s > load.ttft_target_s or rate.itl_s > load.itl_target_s:
            break
        best = rate
    return best


def _agg_at(model: Model, load: Load, batch: int) -> Rate:
    kv = batch * (load.isl + load.osl / 2)
    prefill = batch * load.isl / load.osl
    itl_s = model.wall_s(prefill * (1 - clipped_hit(load.hit)), batch, kv)
    ttft_s = model.ttft_s(int(prefill), load.max_batched, kv, load.hit, batch)
    return Rate(batch / (load.osl * itl_s), ttft_s, itl_s)


def replicas_for(demand_rps: float, engine_rps: float, min_endpoint: int = 1) -> int | None:
    """Engines for a demand, at least the minimum (D1); None where the engine's rate is unknown."""
    return max(math.ceil(demand_rps / engine_rps), min_endpoint) if engine_rps > 0 else None
