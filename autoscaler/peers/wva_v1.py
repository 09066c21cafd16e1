"""llm-d WVA, first version: is the model saturated, and then one replica more or less.

Formulas from reference peers 5.1 with correction W6. One step each minute, and none at all while any variant of the
model is in transition; kept for its test table, while races are run with V2 (peers 15.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A replica is saturated at ``kv`` or ``queue``; less mean spare than a trigger asks for one more."""

    kv: float = 0.80
    queue: float = 5.0
    kv_trigger: float = 0.10
    queue_trigger: float = 3.0


@dataclass(frozen=True, slots=True)
class ReplicaLoad:
    """Share of the KV cache in use, 0 to 1, and requests waiting on the replica."""

    kv: float
    queue: float


@dataclass(frozen=True, slots=True)
class Saturation:
    """The verdict on one model. Spare is the mean over replicas that are not saturated, 0 without any."""

    total: int
    saturated: tuple[int, ...]
    spare_kv: float
    spare_queue: float
    up: bool
    down_safe: bool

    @property
    def non_saturated(self) -> int:
        """Replicas below both thresholds."""
        return self.total - len(self.saturated)


def saturation(replicas: Sequence[ReplicaLoad], limits: Thresholds) -> Saturation:
    """Whether the model needs one more replica, and whether it could do with one less."""
    hot = tuple(i for i, one in enumerate(replicas) if one.kv >= limits.kv or one.queue >= limits.queue)
    calm = [one for i, one in enumerate(replicas) if i not in hot]
    if not calm:
        return Saturation(len(replicas), hot, 0.0, 0.0, up=bool(replicas), down_safe=False)
    kv, queue = (sum(values) / len(calm) for values in zip(*((one.kv, one.queue) for one in calm), strict=True))
    spare_kv, spare_queue = limits.kv - kv, limits.queue - queue
    up = spare_kv < limits.kv_trigger or spare_queue < limits.queue_trigger
    return Saturation(len(replicas), hot, spare_kv, spare_queue, up, _safe_with_one_less(kv, queue, len(calm), limits))


def _safe_with_one_less(kv: float, queue: float, count: int, limits: Thresholds) -> bool:
    if count < 2:
        return False
    grown = count / (count - 1)
    return limits.kv - kv * grown >= limits.kv_trigger and limits.queue - queue * grown >= limits.queue_trigger


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of the model: price per replica and its counts; ``desired`` 0 means not set."""

    name: str
    cost: float
    reporting: int
    current: int
    desired: int
    pending: int


def targets(verdict_up: bool, down_safe: bool, variants: Sequence[Variant]) -> dict[str, int]:
    """Replicas per variant: one more on the cheapest, one less on the dearest, nothing while any is in transition.

    On equal cost the first by name grows and the last by name shrinks (W6).
    """
    if any(_in_transition(one) for one in variants):
        return {one.name: one.desired or one.current for one in variants}
    result = {one.name: one.reporting for one in variants}
    if verdict_up:
        growing = [one for one in variants if one.pending == 0]
        if growing:
            result[min(growing, key=lambda one: (one.cost, one.name)).name] += 1
    elif down_safe:
        shrinking = [one for one in variants if result[one.name] > 1]
        if shrinking:
            result[max(shrinking, key=lambda one: (one.cost, one.name)).name] -= 1
    return result


def _in_transition(one: Variant) -> bool:
    return one.desired not in (0, one.current) or one.reporting != one.current
