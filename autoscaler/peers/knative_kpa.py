"""Knative's pod autoscaler: how many pods for a concurrency or a rate, with its panic mode.

One pure step: what it remembers goes in and comes out, the windows' averages and the time are given. Formulas:
``scaling/autoscaler.go``, Knative serving; peers.md 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from autoscaler.peers.knative_windows import MaxWindow


@dataclass(frozen=True, slots=True)
class KpaSpec:
    """What a revision is scaled by; load units are requests in flight, or requests per second.

    ``target`` is the load per pod aimed at, ``total_per_pod`` what a pod can bear; ``target_burst_capacity`` is the
    load that must fit on top at any moment (−1: unlimited, 0: off). ``reachable``: some route points here.
    """

    target: float
    total_per_pod: float
    target_burst_capacity: float = 211.0
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    stable_window_s: float = 60.0
    activation_scale: int = 1
    reachable: bool = True
    scale_down_delay_s: float = 0.0
    tick_s: float = 2.0


@dataclass(frozen=True, slots=True)
class KpaState:
    """What is remembered: since when it panics (the last tick over the threshold), and the most pods wanted since."""

    panic_since_s: float | None = None
    max_panic_pods: int = 0
    delay: MaxWindow | None = None

    @property
    def panicking(self) -> bool:
        """In panic mode, where the fleet never shrinks."""
        return self.panic_since_s is not None


@dataclass(frozen=True, slots=True)
class Scale:
    """Pods wanted, and the load that would still fit (negative: the activator must buffer)."""

    desired: int
    excess_burst_capacity: float


def start(ready: int | None, now_s: float) -> KpaState:
    """The state of a new autoscaler. With more than one pod it panics at once: it knows nothing, so it keeps them."""
    pods = ready or 0
    return KpaState(now_s if pods > 1 else None, pods)


def scale(
    spec: KpaSpec, state: KpaState, *, ready: int | None, stable: float | None, panic: float | None, now_s: float
) -> tuple[Scale | None, KpaState]:
    """One tick. ``stable`` and ``panic`` are the averages of the two windows; without data the answer is None: hold.

    Worked example: 8 ready, target 10, stable 50, panic 200: ceil(200/10)/8 = 2.5 is above 2.0, so it panics to 20.
    """
    if ready is None or stable is None or panic is None:
        return None, state
    pods = max(1, ready)
    wanted_panic = math.ceil(panic / spec.target)
    state = _panic(spec, state, wanted_panic / pods, now_s)
    desired = _bounded(spec, pods, math.ceil(stable / spec.target))
    if state.panicking:
        most = max(state.max_panic_pods, desired, _bounded(spec, pods, wanted_panic))
        state, desired = replace(state, max_panic_pods=most), most
    if spec.reachable and spec.scale_down_delay_s > 0:
        window = state.delay or MaxWindow.over(spec.scale_down_delay_s, spec.tick_s)
        state = replace(state, delay=window.record(now_s, desired))
        desired = state.delay.current if state.delay else desired
    return Scale(desired, _excess(spec, ready, panic)), state


def _panic(spec: KpaSpec, state: KpaState, ratio: float, now_s: float) -> KpaState:
    """Enter or prolong panic over the threshold; leave it a stable window after the last tick over it."""
    if ratio >= spec.panic_threshold:
        return replace(state, panic_since_s=now_s)
    if state.panic_since_s is not None and state.panic_since_s + spec.stable_window_s < now_s:
        return replace(state, panic_since_s=None, max_panic_pods=0)
    return state


def _bounded(spec: KpaSpec, pods: int, wanted: int) -> int:
    """Pods within one tick's rates, raised to the activation scale where there is any load."""
    most = math.ceil(spec.max_scale_up_rate * pods)
    least = math.floor(pods / spec.max_scale_down_rate) if spec.reachable else 0
    bounded = min(max(wanted, least), most)
    return max(bounded, spec.activation_scale) if wanted > 0 and spec.activation_scale > 1 else bounded


def _excess(spec: KpaSpec, ready: int, panic: float) -> float:
    if spec.target_burst_capacity == 0:
        return 0.0
    if spec.target_burst_capacity < 0:
        return -1.0
    return math.floor(ready * spec.total_per_pod - spec.target_burst_capacity - panic)
