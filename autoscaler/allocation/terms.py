"""What an allocation is made from and what comes out of it: plain values, in erlangs, GPUs and dollars an hour.

A ``Demand`` is one service: the lines that its capacity must reach and the pools it may be had from (``Option``). A
``Market`` is what all services share: GPUs and money. Capacity and lines are in erlangs of the service's reference
pool, so that unlike pools add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from runtime.replica import Tier

SPARES = (Tier.STANDBY, Tier.ASLEEP)
"""Tiers that hold a replica ready but out of rotation; a warm node holds none."""

FINEST_SLICE = 64
"""GPUs are cut into at most so many slices (MIG has 7): a float such as 0.142857 is read as the fraction it means."""


@dataclass(frozen=True, slots=True)
class Line:
    """One tier line: what serves within ``ready_s`` must carry ``erlangs``.

    A replica that does not exist yet counts only if its pool launches within ``deliver_s``. ``usd_per_erlang_hour``
    weighs being short against other services of like priority; ``without`` names a spot market that may be lost.
    """

    name: str
    erlangs: float
    ready_s: float
    deliver_s: float = math.inf
    usd_per_erlang_hour: float = 100.0
    without: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One pool as one service sees it: what a replica carries, takes and costs.

    ``usd_per_hour`` has the tiers that may be held and what each costs; ``lead_s`` the seconds from them to serving,
    where active needs none. ``now`` are the replicas that exist. ``launch_usd`` is what a launch costs, spread over the
    time that it is expected to last, USD per hour. ``most`` caps the pool; ``spot`` names its spot market.
    """

    pool: str
    gpu: str
    gpus: Fraction
    erlangs: float
    usd_per_hour: Mapping[Tier, float]
    lead_s: Mapping[Tier, float] = field(default_factory=dict)
    launch_s: float = 0.0
    launch_usd: float = 0.0
    now: Mapping[Tier, int] = field(default_factory=dict)
    most: int | None = None
    spot: str = ""

    def ready(self, tier: Tier, within_s: float) -> bool:
        """Whether a replica of that tier serves within so long."""
        lead_s = 0.0 if tier is Tier.ACTIVE else self.lead_s.get(tier, math.inf)
        return lead_s <= within_s + 1e-9


@dataclass(frozen=True, slots=True)
class Demand:
    """What one service asks for. A higher ``priority`` is served first where something is short.

    ``most`` bounds active, standby and asleep replicas together; ``base_erlangs`` is what must be left when all
    capacity of any one spot market goes at once.
    """

    service: str
    options: tuple[Option, ...]
    lines: tuple[Line, ...]
    least_active: int = 0
    most: int = 10_000
    least_spare: int = 0
    most_spare: int = 10_000
    budget_usd_per_hour: float | None = None
    priority: int = 0
    base_erlangs: float = 0.0


@dataclass(frozen=True, slots=True)
class Market:
    """What there is for all services.

    ``domains[gpu]`` are the NVLink domains (nodes, mostly) that may be used, as (GPUs each, how many such domains); a
    type that is absent is not limited. ``notice_s[spot market]`` is how long before a reclaim one is told.
    """

    domains: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    budget_usd_per_hour: float | None = None
    notice_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shortage:
    """A line not reached: by how much (erlangs; replicas for ``min`` and ``spares``), and what is in the way."""

    line: str
    amount: float
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one service gets: ``counts[pool][tier]``, none of them zero; ``usd_per_hour`` is what holding them costs."""

    service: str
    counts: Mapping[str, Mapping[Tier, int]]
    shortages: tuple[Shortage, ...]
    usd_per_hour: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """Shares in the order of the demands; ``binding`` names the shared limits that changed anything.

    ``gap`` is 0 where the cost is proven least for these shortages, else how far from it it may be, as a share.
    """

    shares: tuple[Share, ...]
    usd_per_hour: float
    binding: tuple[str, ...] = ()
    gap: float = 0.0


def slices(gpus: float) -> Fraction:
    """GPUs of one replica as the fraction that is meant: 0.142857 is 1/7."""
    return Fraction(gpus).limit_denominator(FINEST_SLICE)
