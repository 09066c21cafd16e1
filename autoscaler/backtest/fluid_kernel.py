"""The fluid model's loop, compiled: load, replicas and lead times of one knob setting, bin by bin.

All compiled functions of the model stand in this one file and constants of other files are passed in, so numba's own
check (this file has not changed) is enough for its cache; ``runtime.simulated.jit`` stamps the simulator's files and
would not see a change here.

Promise: the same arrays and numbers give the same totals; nothing is allocated per bin; the GIL is not held.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

PROPORTIONAL, QUANTILE = 0, 1


class Views(NamedTuple):
    """What a rule may look at: arrays by tick, and the forecast's quantile levels.

    The last two are no rule's: the share of requests that is late (``late``, rising) where replicas are asked for
    multiples ``asked`` of ρ_max each; in between it is interpolated, beyond the ends it is held.
    """

    seen_erlangs: Floats
    rho: Floats
    sequences_per_erlang: Floats
    demand_erlangs: Floats
    taus: Floats
    asked: Floats
    late: Floats


class Terms(NamedTuple):
    """The fleet's terms: bins, lead time, bounds, and what a replica serves, in erlangs.

    Lateness is measured by ``rho_max``, or where that is zero by ρ_max of the tick.
    """

    bin_s: float
    bins_per_tick: int
    launch_bins: int
    first: int
    least: int
    most: int
    rho_max: float
    full_erlangs: float
    tpot_erlangs: float
    ttft_s: float
    staffing_beta: float
    drain_s: float
    ratio_cap: float


class Knobs(NamedTuple):
    """One setting. ``kind`` says which rule; what that rule does not use is zero."""

    kind: int
    target_erlangs: float
    tolerance: float
    lag_ticks: int
    tau: float
    headroom: float
    out_above: float
    in_below: float
    window_ticks: int
    cooldown_ticks: int
    step_in: int
    step_out: int
    factor_out: float
    load_factor: float


class Totals(NamedTuple):
    """What a setting came to."""

    attained: float
    replica_s: float
    ups: int
    downs: int


def _jit(function: F) -> F:
    return cast(F, njit(cache=True, error_model="numpy", nogil=True)(function))


@_jit
def _replicas_for(erlangs: float, rho: float, per_erlang: float, beta: float) -> int:
    """``autoscaler.capacity.replicas_for``, compiled."""
    noise = beta * math.sqrt(erlangs / per_erlang) if per_erlang > 0 else 0.0
    return math.ceil((erlangs + noise) / rho - 1e-9)


@_jit
def _latency_need(ratio: float, ready: int, total: int, knobs: Knobs) -> int:
    """``autoscaler.safety.reactive.latency_need``, compiled."""
    if total == 0:
        return 0
    discounted = ratio * ready / total if ready else ratio
    if ratio > knobs.out_above:
        return max(total, total + math.ceil(total * (discounted / knobs.out_above - 1) - 1e-9))
    if ratio < knobs.in_below:
        return total - math.floor(total * (1 - ratio / knobs.in_below) + 1e-9)
    return total


@_jit
def _quantile_need(
    tick: int, views: Views, terms: Terms, knobs: Knobs, used: float, backlog: float, ready: int, total: int
) -> int:
    """Our three voices: the forecast's quantile, the load and backlog of now, the latency of now."""
    rho, per_erlang, beta = views.rho[tick], views.sequences_per_erlang[tick], terms.staffing_beta
    seen = knobs.load_factor * views.seen_erlangs[tick]
    need = max(1, _replicas_for(seen + backlog / terms.drain_s, rho, per_erlang, beta))
    demand = np.interp(knobs.tau, views.taus, views.demand_erlangs[tick])
    if demand >= 0:
        need = max(need, _replicas_for(demand * knobs.headroom, rho, per_erlang, beta))
    wait_s = backlog / (max(ready, 1) * terms.full_erlangs)
    ratio = min(terms.ratio_cap, max(used / terms.tpot_erlangs, wait_s / terms.ttft_s))
    return max(need, _latency_need(ratio, ready, total, knobs))


@_jit
def _proportional_need(tick: int, views: Views, knobs: Knobs, current: int) -> int:
    """Replicas in proportion to a load seen late, unless within the tolerance."""
    at = tick - knobs.lag_ticks
    if at < 1:
        return current
    wanted = float(views.seen_erlangs[at]) / knobs.target_erlangs
    if abs(wanted / max(current, 1) - 1) <= knobs.tolerance:
        return current
    return math.ceil(wanted - 1e-9)


@_jit
def _guarded(need: int, highest: int, current: int, since_in: int, terms: Terms, knobs: Knobs) -> int:
    """``autoscaler.safety.guardrails`` for one pool of active replicas: cooldown, window, steps, bounds."""
    value = max(need, min(current, highest), current - knobs.step_in)
    if since_in < knobs.cooldown_ticks:
        value = max(value, current)
    by_factor = math.floor(current * knobs.factor_out + 1e-9)
    value = min(value, max(current + 1, min(current + knobs.step_out, by_factor)))
    return min(terms.most, max(terms.least, value))


@_jit
def _remember(
    window_at: Ints, window_need: Ints, head: int, tail: int, tick: int, need: int, ticks: int
) -> tuple[int, int]:
    """Put this tick's need into the window, a deque of falling needs with the highest at its head."""
    while tail > head and window_need[tail - 1] <= need:
        tail -= 1
    window_at[tail], window_need[tail] = tick, need
    while window_at[head] < tick - ticks:
        head += 1
    return head, tail + 1


@_jit
def _give_up(coming: Ints, until: int, surplus: int) -> int:
    """Cancel starts, the youngest first; what of the surplus is left to drain."""
    at = until
    while surplus > 0 and at >= 0 and until - at < len(coming):
        cell = at % len(coming)
        given = min(surplus, int(coming[cell]))
        coming[cell] -= given
        surplus -= given
        at -= 1
    return surplus


@_jit
def _in_time(used: float, rho: float, views: Views) -> float:
    """Share of the requests that are in time where replicas are asked for ``used`` erlangs each."""
    return float(1 - np.interp(used / rho, views.asked, views.late))


@_jit
def play(work_erlangs: Floats, able: Floats, views: Views, terms: Terms, knobs: Knobs) -> Totals:
    """Play one setting over the work and the requests that could be in time, both per bin, shape (bins,)."""
    ticks, bin_s = len(views.seen_erlangs), terms.bin_s
    coming = np.zeros(terms.launch_bins + 1, np.int64)
    window_at, window_need = np.zeros(ticks + 1, np.int64), np.zeros(ticks + 1, np.int64)
    head, tail = 0, 0
    ready, launching, current = terms.first, 0, terms.first
    backlog, used, since_in = 0.0, 0.0, knobs.cooldown_ticks
    attained, replica_bins, ups, downs = 0.0, 0, 0, 0
    for tick in range(ticks):
        if tick > 0:
            if knobs.kind == QUANTILE:
                need = _quantile_need(tick, views, terms, knobs, used, backlog, ready, ready + launching)
            else:
                need = _proportional_need(tick, views, knobs, current)
            head, tail = _remember(window_at, window_need, head, tail, tick, need, knobs.window_ticks)
            wanted = _guarded(need, window_need[head], current, since_in, terms, knobs)
            since_in += 1
            if wanted > current:
                ups += 1
                launching += wanted - current
                coming[(tick * terms.bins_per_tick + terms.launch_bins) % len(coming)] += wanted - current
            elif wanted < current:
                downs += 1
                since_in = 1
                left = _give_up(coming, tick * terms.bins_per_tick + terms.launch_bins, current - wanted)
                launching -= current - wanted - left
                ready -= left
            current = wanted
        first, used = tick * terms.bins_per_tick, 0.0
        rho = terms.rho_max if terms.rho_max > 0 else views.rho[tick]
        for at in range(first, min(first + terms.bins_per_tick, len(work_erlangs))):
            come = coming[at % len(coming)]
            coming[at % len(coming)] = 0
            ready, launching = ready + come, launching - come
            todo = backlog + work_erlangs[at] * bin_s
            attained += able[at] * _in_time(todo / (max(ready, 1e-9) * bin_s), rho, views)
            done = min(todo, ready * terms.full_erlangs * bin_s)
            backlog = todo - done
            used += done / (max(ready, 1) * bin_s * terms.bins_per_tick)
            replica_bins += ready + launching
    return Totals(attained, replica_bins * bin_s, ups, downs)
