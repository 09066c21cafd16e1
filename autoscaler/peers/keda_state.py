"""KEDA's own part of autoscaling: waking from zero, resting again, and what it reports when a metric cannot be read.

KEDA moves a target between zero (or an idle count) and its minimum; from there a Kubernetes HPA follows the metric
that KEDA hands to it. Pure: ages and counters come in, the new ones go out. Formulas: ``scale_scaledobjects.go`` and
``fallback.go``, KEDA 2.20; peers.md 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class MetricUnavailable(Exception):
    """A metric that could not be read, and nothing was configured to stand in for it."""


class Stand(StrEnum):
    """What a fallback stands on."""

    STATIC = "static"
    CURRENT = "currentReplicas"
    IF_HIGHER = "currentReplicasIfHigher"
    IF_LOWER = "currentReplicasIfLower"
    MODIFIERS = "scalingModifiers"


@dataclass(frozen=True, slots=True)
class Fallback:
    """Replicas to report after more than ``failure_threshold`` failed reads in a row."""

    failure_threshold: int
    replicas: int
    behavior: Stand = Stand.STATIC

    @property
    def valid(self) -> bool:
        """Negative numbers switch a fallback off."""
        return self.failure_threshold >= 0 and self.replicas >= 0

    def holds_for(self, failures: int) -> bool:
        """Whether that many failed reads are enough."""
        return self.valid and failures > self.failure_threshold

    def stand_in(self, current: int) -> int:
        """Replicas to report."""
        if self.behavior is Stand.CURRENT:
            return current
        if self.behavior is Stand.IF_HIGHER:
            return max(current, self.replicas)
        if self.behavior is Stand.IF_LOWER:
            return min(current, self.replicas)
        return self.replicas


@dataclass(frozen=True, slots=True)
class Reading:
    """What the HPA gets (None: an error), and the failed reads in a row now (None: no record is kept)."""

    value: float | None
    failures: int | None
    fell_back: bool = False


def read(
    value: float | None,
    failures: int | None,
    fallback: Fallback | None,
    *,
    target: float,
    current: int | None,
    ready: int | None = None,
) -> Reading:
    """One read of one metric (None: it failed) after ``failures`` failed ones.

    ``target`` is per replica; ``ready`` is given for a metric of type Value, which the HPA multiplies by it.
    """
    if fallback is None:
        return Reading(value, failures)
    if value is not None:
        return Reading(value, 0)
    failed = (failures or 0) + 1
    if not fallback.holds_for(failed):
        return Reading(None, failed)
    replicas = fallback.stand_in(fallback.replicas if current is None else current)
    return Reading(target * replicas / (ready or 1), failed, fell_back=True)


def prometheus_value(elements: Sequence[float], *, ignore_null: bool = True) -> float:
    """The answer to a PromQL query, one element expected. By default nothing, NaN and infinity are *zero*.

    Raises ``MetricUnavailable`` for them without ``ignore_null``, and for more than one element always.
    """
    if len(elements) > 1:
        raise MetricUnavailable(f"query gave {len(elements)} elements; sum or max them to one")
    if elements and math.isfinite(elements[0]):
        return elements[0]
    if not ignore_null:
        raise MetricUnavailable("query gave no finite value")
    return 0.0


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """The part of a ScaledObject that decides about zero. Counts are replicas, None where not set."""

    min: int | None = None
    idle: int | None = None
    cooldown_s: float = 300.0
    initial_cooldown_s: float = 0.0
    fallback_replicas: int | None = None
    pause_in: bool = False
    pause_out: bool = False
    paused: bool = False
    force: bool = False

    @property
    def rest(self) -> int:
        """Replicas while nothing is active."""
        return self.idle if self.idle is not None else self.min or 0

    @property
    def awake(self) -> int:
        """Replicas to wake up to."""
        return self.min or 1


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of the executor: replicas of the target after it, and the conditions it sets."""

    replicas: int
    active: bool
    stamps_last_active: bool = False
    ready: str = "True"
    ready_reason: str = ""


def execute(
    spec: ScaledObject,
    current: int,
    *,
    active: bool,
    error: bool = False,
    last_active_age_s: float | None,
    created_age_s: float,
) -> Pass:
    """Wake, rest or leave alone. ``error``: some trigger could not be read; ages are None where it never happened."""
    if spec.paused:
        return Pass(current, False)
    if active or spec.force:
        return _when_active(spec, current, error)
    if error and spec.fallback_replicas is None:
        return Pass(current, False, ready="False", ready_reason="TriggerError")
    if error and spec.fallback_replicas:
        return Pass(current, False)
    return Pass(_at_rest(spec, current, last_active_age_s, created_age_s), False)


def _when_active(spec: ScaledObject, current: int, error: bool) -> Pass:
    sleeping = current == 0 or (spec.idle is not None and current < (spec.min or 0))
    if sleeping and spec.pause_out:
        return Pass(current, True)
    if sleeping:
        return Pass(spec.awake, True, stamps_last_active=True)
    if error:
        return Pass(current, True, ready="Unknown", ready_reason="PartialTriggerError")
    return Pass(current, True, stamps_last_active=True)


def _at_rest(spec: ScaledObject, current: int, last_active_age_s: float | None, created_age_s: float) -> int:
    least = spec.min or 0
    if (spec.idle is not None and current > spec.idle) or (current > 0 and least == 0):
        rested = (
            created_age_s > spec.initial_cooldown_s
            if last_active_age_s is None
            else last_active_age_s > spec.cooldown_s
        )
        return spec.rest if rested and not spec.pause_in else current
    return least if spec.idle is None and current < least else current
