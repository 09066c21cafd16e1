"""A replica: one engine process that can serve requests, and the state it is in.

The tier says how soon it can serve, the transition what is being done to it (DESIGN 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """Readiness, fastest first."""

    ACTIVE = "active"
    STANDBY = "standby"
    ASLEEP = "asleep"
    WARM_NODE = "warm_node"
    COLD = "cold"


class Transition(StrEnum):
    """What a replica is in the middle of."""

    LAUNCHING = "launching"
    WAKING = "waking"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica as its fleet sees it.

    ``tier`` is where it is or, while ``transition`` is set, where it is going (a draining replica keeps the tier it
    is going to: ``standby``, ``asleep`` or ``cold``). ``since_s`` is the UTC time of the last change, seconds.
    """

    name: str
    service: str
    pool: str
    tier: Tier
    transition: Transition | None
    since_s: float
    base_url: str
    node: str
    gpus: tuple[str, ...]

    @property
    def serving(self) -> bool:
        """In rotation now."""
        return self.tier is Tier.ACTIVE and self.transition is None
