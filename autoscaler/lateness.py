"""Which share of the requests is late when replicas are asked for so much: the fluid rule, one moment at a time.

Requests are poured together into offered load. None is late while the work to be done asks for at most ``LATE[0]``
times ρ_max of each replica, all are from ``LATE[1]`` times, and in between the share grows evenly. What is beyond
``FULL`` of each replica is left over for the next moment. The compiled fluid model (``backtest.fluid``) plays the same
rule over whole days; ``docs/fluid.md`` says how far it is from the request-level simulator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime.pool import LeadTime, Pool
from runtime.replica import Tier

LATE = 1.0, 1.8
"""Requests begin to be late at the first multiple of ρ_max, and all are at the second: deadlines count a whole life and
a short answer has most slack in its first token. Fitted together with the fluid model's ``BIN_S`` on rows of
``benchmarks/fluid.py``.
"""

FULL = 0.95
"""Erlangs that a replica works off at most."""

Z90 = 1.2815515594


@dataclass(frozen=True, slots=True)
class Served:
    """What came of one stretch of time.

    ``in_time`` is the share of its requests that are in time, ``used`` the erlangs that each replica worked,
    ``backlog_erlang_s`` the work left over.
    """

    in_time: float
    used: float
    backlog_erlang_s: float


def served(erlangs: float, replicas: int, backlog_erlang_s: float, rho_max: float, seconds: float) -> Served:
    """Offer a load for so many seconds (above 0) to replicas that carry ``rho_max`` each, with what was left over."""
    todo = backlog_erlang_s + erlangs * seconds
    if todo <= 0:
        return Served(1.0, 0.0, 0.0)
    done = min(todo, replicas * FULL * seconds)
    asked = todo / (replicas * seconds) if replicas > 0 else math.inf
    return Served(in_time(asked, rho_max), done / (max(replicas, 1) * seconds), todo - done)


def in_time(asked_erlangs: float, rho_max: float) -> float:
    """Share of the requests in time where replicas are asked for so much each."""
    first, last = (multiple * rho_max for multiple in LATE)
    return min(1.0, max(0.0, 1 - (asked_erlangs - first) / (last - first)))


def launch_mean_s(pool: Pool) -> float:
    """Mean of a start from cold (or from a warm node where the pool knows nothing colder), lognormal, seconds."""
    return mean_s(pool.lead_times.get(Tier.COLD) or pool.lead_times.get(Tier.WARM_NODE) or LeadTime(300.0, 300.0))


def mean_s(lead: LeadTime) -> float:
    """Mean of a lognormal through its median and 90th percentile, seconds."""
    if lead.p50_s <= 0:
        return 0.0
    sigma = math.log(max(1.0, lead.p90_s / lead.p50_s)) / Z90
    return lead.p50_s * math.exp(sigma * sigma / 2)
