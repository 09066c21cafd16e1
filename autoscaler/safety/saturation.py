"""The second half of the reactive floor: signs that replicas are full now, whatever any model says. Pure.

Each sign is a voice of its own with its number, and acts within one tick: KV memory, the queue, preemptions,
rejections. They count from the replicas that *serve*, not from those that are asked for, so what is on its way already
answers them and a sign that lasts for a whole launch does not add up; nor is anything on its way given back while one
stands. The thresholds are those that KEDA and llm-d
recipes for vLLM use (queue of five a replica, KV memory at 0.8 to 0.9); policy ``reactive`` has them.
"""

from __future__ import annotations

import math
from dataclasses import replace

from autoscaler.capacity import RhoMax
from autoscaler.decision import Constraint, TierCounts
from autoscaler.policy import Policy
from collectors.observation import Observation

MOST = 2.0
"""No sign asks for more than this many times what serves."""

MORE_SHARE = 0.1
"""What preemptions ask for: a tenth more, they say that it is too full and not by how much."""


def saturation(
    observation: Observation, counts: TierCounts, work_ms: float | None, policy: Policy, rho: RhoMax
) -> list[Constraint]:
    """The voices that have something to say, each with the active replicas that it asks for."""
    serving = counts.active
    if serving == 0:
        return []
    voices = [
        _kv(observation, serving, policy),
        _queue(observation, serving, policy, rho),
        _preemptions(observation, serving, policy),
        _rejections(observation, serving, work_ms, rho),
    ]
    in_hand = serving + counts.launching + counts.waking
    return [replace(voice, replicas=max(voice.replicas, in_hand)) for voice in voices if voice is not None]


def _kv(observation: Observation, serving: int, policy: Policy) -> Constraint | None:
    """KV memory: as many replicas as bring its mean use back to the threshold."""
    used, above = observation.kv_usage_ratio, policy.reactive.kv_above
    if used is None or not used > above:
        return None
    detail = f"KV memory is {used:.0%} in use (more above {above:.0%})"
    return _voice("kv", _times(serving, used / above), detail)


def _queue(observation: Observation, serving: int, policy: Policy, rho: RhoMax) -> Constraint | None:
    """The queue: as many more as hold what waits, each as many requests as the present ones hold or should."""
    waiting, above = observation.waiting, policy.reactive.waiting_above
    if waiting is None or not waiting > above * serving:
        return None
    fitting = (rho.sequences_per_erlang or 0.0) * rho.value
    each = max((observation.running or 0.0) / serving, fitting, 1.0)
    detail = f"{waiting:.0f} requests wait, {waiting / serving:.1f} a replica (more above {above:g})"
    return _voice("queue", _times(serving, 1 + waiting / each / serving), detail)


def _preemptions(observation: Observation, serving: int, policy: Policy) -> Constraint | None:
    """Preemptions: work is thrown away and done again."""
    per_s, above = observation.preemptions_per_s, policy.reactive.preemptions_above_per_min
    if per_s is None or not per_s * 60 > above * serving:
        return None
    detail = f"{per_s * 60 / serving:.1f} preemptions a replica and minute (more above {above:g})"
    return _voice("preemptions", serving + math.ceil(MORE_SHARE * serving), detail)


def _rejections(observation: Observation, serving: int, work_ms: float | None, rho: RhoMax) -> Constraint | None:
    """Rejections: what carries the work that was turned away comes on top of what serves, however full that is."""
    rejected = observation.rejected_per_s
    if rejected is None or not rejected > 0:
        return None
    missing = max(1, math.ceil(rejected * (work_ms or 0.0) / 1000 / rho.value - 1e-9))
    detail = f"{rejected:.2g} requests a second are turned away"
    return _voice("rejections", min(math.ceil(MOST * serving), serving + missing), detail)


def _times(serving: int, ratio: float) -> int:
    return math.ceil(serving * min(MOST, ratio) - 1e-9)


def _voice(name: str, replicas: int, detail: str) -> Constraint:
    return Constraint(name, replicas, False, detail)
