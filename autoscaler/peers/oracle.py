"""The least that any policy could spend on known arrivals: a bound below every contender, and a schedule close to it.

**Which bound it is.** In the fluid model of DESIGN 4 a replica carries up to ``rho_max`` erlangs in every bin, and a
replica that serves from bin t on has been billed for ``lead_s`` before that (or since the start, if that is nearer).
Among all schedules n(t) of serving replicas with ``min <= n(t) <= max``, whole replicas, that carry at least the share
``attainment`` of the offered load, ``least`` bounds the billed replica-seconds from below:

* with everything carried that ``max`` replicas can carry, it is exact: the cheapest schedule itself;
* else it is the Lagrangian dual of the coverage constraint, equal to the linear relaxation of the problem. ``Bound``
  holds a whole schedule too that keeps the attainment; the true optimum lies between ``replica_s`` and
  ``schedule_replica_s``. Between ties (many bins of equal value) that gap can be wide; on real load it is small.

**What it ignores**, always to the favour of the bound: lead times are known and never vary; replicas of the start are
there unbilled before it; draining is instant; a bin's load may be shared out evenly and partly refused, and what is
carried is on time, whatever the queue, the batch or the KV cache say. **What a real policy may do that it does not
see**: let requests wait across the edge of a bin (up to their TTFT target), run a replica above ``rho_max``, or use a
tier with a shorter lead time than ``lead_s``. So give the shortest lead time that a contender has, a ``rho_max`` that
the simulator has confirmed, and bins of several TTFT targets; what is then left to beat it with is one edge's wait.

The problem falls apart into levels (the k-th replica is up or not), each a two-state shortest path; a price on missed
load couples them. The best price is found by intersecting lines, in a handful of passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from autoscaler.peers.rule import FleetSignals

F = TypeVar("F", bound=Callable[..., Any])

SLIVER = 1e-9
"""Load of a level that is below this share of ``rho_max`` is a rounding error, not a need."""

PASSES = 100
"""More lines than any load has been seen to need; the bound holds wherever the search stops."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What cannot be beaten, in replica-seconds, and a schedule of serving replicas per bin that comes near it.

    ``attainment`` is the share of the load that the schedule carries. It is below what was asked for only where
    ``max_replicas`` cannot carry more; the bound is then that of carrying all that they can.
    """

    replica_s: float
    schedule: npt.NDArray[np.int64]
    schedule_replica_s: float
    attainment: float


class _Problem(NamedTuple):
    """Loads in erlangs per bin, and the terms; the levels ``min + 1`` to ``max`` are free to be up or not."""

    load: npt.NDArray[np.float64]
    bin_s: float
    rho_max: float
    lead_s: float
    min_replicas: int
    max_replicas: int


@dataclass(frozen=True, slots=True)
class _Line:
    """The best schedule at one price: what it costs in replica-seconds and misses in erlang-seconds."""

    cost: float
    missed: float
    schedule: npt.NDArray[np.int64]

    def at(self, price: float) -> float:
        """Cost with missed load priced."""
        return self.cost + price * self.missed


def least(
    load_erlangs: npt.NDArray[np.float64],
    *,
    bin_s: float,
    rho_max: float,
    lead_s: float,
    min_replicas: int,
    max_replicas: int,
    attainment: float = 1.0,
) -> Bound:
    """The bound of this module for one load; raises ValueError on values that make no sense."""
    load = np.ascontiguousarray(load_erlangs, dtype=np.float64)
    _check(load, bin_s, rho_max, lead_s, min_replicas, max_replicas, attainment)
    problem = _Problem(load, bin_s, rho_max, lead_s, min_replicas, max_replicas)
    allowed = (1 - attainment) * float(load.sum()) * bin_s
    bound, line = _search(problem, allowed)
    total = float(load.sum()) * bin_s
    return Bound(bound, line.schedule, line.cost, 1 - line.missed / total if total > 0 else 1.0)


def _search(problem: _Problem, allowed: float) -> tuple[float, _Line]:
    """The dual's maximum, and the cheapest schedule met that misses no more than ``allowed`` erlang-seconds.

    ``low`` misses too much and ``high`` does not; the price at which both cost the same either shows a schedule
    below both, which takes the place of one, or is the best there is.
    """
    high, low = _best(problem, math.inf), _best(problem, 0.0)
    if high.missed >= allowed:
        return high.cost, high
    if low.missed <= allowed:
        return low.cost, low
    bound = 0.0
    for _ in range(PASSES):
        price = (high.cost - low.cost) / (low.missed - high.missed)
        found = _best(problem, price)
        bound = max(bound, found.at(price) - price * allowed)
        if found.at(price) >= high.at(price) * (1 - 1e-12):
            break
        low, high = (low, found) if found.missed <= allowed else (found, high)
    return bound, high


def _best(problem: _Problem, price: float) -> _Line:
    """The cheapest schedule where each missed erlang-second costs ``price`` replica-seconds; infinite allows none."""
    schedule = np.full(problem.load.size, problem.min_replicas, dtype=np.int64)
    cost = float(_levels(problem, price, schedule)) + problem.min_replicas * problem.load.size * problem.bin_s
    missed = float(np.maximum(problem.load - schedule * problem.rho_max, 0.0).sum()) * problem.bin_s
    return _Line(cost, missed, schedule)


def _jit(function: F) -> F:
    return cast(F, njit(cache=True, error_model="numpy")(function))


@_jit
def _levels(problem: _Problem, price: float, schedule: npt.NDArray[np.int64]) -> float:
    """Add the free levels to ``schedule``, one shortest path each; gives their billed replica-seconds.

    A level that is up costs a bin's seconds, and a launch the lead time; one that is down costs what it misses. Which
    came before is kept per bin and state, and the path is read backwards.
    """
    bins = problem.load.size
    stay_up = np.empty(bins, np.bool_)
    drop = np.empty(bins, np.bool_)
    total = 0.0
    for level in range(problem.min_replicas, problem.max_replicas):
        below = level * problem.rho_max
        up = down = 0.0
        needed = False
        for t in range(bins):
            value = min(max(problem.load[t] - below, 0.0), problem.rho_max)
            if value <= SLIVER * problem.rho_max:
                miss = 0.0
            else:
                miss = price * value * problem.bin_s
                needed = True
            launch = min(problem.lead_s, t * problem.bin_s)
            stay_up[t] = up <= down + launch
            drop[t] = up < down
            up, down = (up if stay_up[t] else down + launch) + problem.bin_s, (up if drop[t] else down) + miss
        if not needed:
            break
        is_up = up < down
        for t in range(bins - 1, -1, -1):
            if is_up:
                schedule[t] += 1
                total += problem.bin_s
                if not stay_up[t]:
                    total += min(problem.lead_s, t * problem.bin_s)
                is_up = stay_up[t]
            else:
                is_up = drop[t]
    return total


def _check(
    load: npt.NDArray[np.float64],
    bin_s: float,
    rho_max: float,
    lead_s: float,
    min_replicas: int,
    max_replicas: int,
    attainment: float,
) -> None:
    """One line for what is wrong and what would be right."""
    if load.ndim != 1 or not np.isfinite(load).all() or (load < 0).any():
        raise ValueError("load must be one row of erlangs, each a finite number of 0 or more")
    if not (bin_s > 0 and rho_max > 0 and lead_s >= 0):
        raise ValueError(f"bin_s {bin_s} and rho_max {rho_max} must be positive, lead_s {lead_s} not negative")
    if not 0 <= min_replicas <= max_replicas:
        raise ValueError(f"min_replicas {min_replicas} must be between 0 and max_replicas {max_replicas}")
    if not 0 < attainment <= 1:
        raise ValueError(f"attainment {attainment} is not a share; give a number above 0 and at most 1")


class Oracle:
    """The schedule as a rule: asks for every replica one lead time before it is to serve, and lets it go after.

    The bound counts in the fluid model; this shows what the same foresight gives in the simulator.
    """

    KNOB: tuple[str, tuple[float, ...]] = ("attainment", (0.98, 0.99, 0.995, 0.999, 1.0))

    def __init__(self, bound: Bound, *, start_s: float, bin_s: float, lead_s: float) -> None:
        self.name = "oracle"
        self.interval_s = bin_s
        self._schedule = bound.schedule
        self._start_s, self._bin_s, self._lead_s = start_s, bin_s, lead_s

    def desired(self, signals: FleetSignals) -> int:
        """The most replicas that serve between now and one lead time from now; the last ones after the end."""
        last = self._schedule.size - 1
        first = min(max(math.floor((signals.at_s - self._start_s) / self._bin_s), 0), last)
        until = min(math.ceil((signals.at_s + self._lead_s - self._start_s) / self._bin_s), last)
        return int(self._schedule[first : max(first, until) + 1].max())
