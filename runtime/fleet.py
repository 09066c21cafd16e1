"""What every fleet promises, be it simulated, local or Kubernetes.

``apply`` takes targets, not moves: the same targets applied twice, or after a crash, change nothing the second time.
That is how no decision is ever doubled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.replica import Replica, Tier


@dataclass(frozen=True, slots=True)
class PoolTarget:
    """How many replicas of a pool should be in each tier.

    ``avoid`` names replicas that must leave: they count for no tier, take no new request, drain and stop. A replica
    counts as active, and may take requests, only after its engine has answered a probe.
    """

    service: str
    pool: str
    active: int
    standby: int = 0
    asleep: int = 0
    warm_node: int = 0
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RackTarget:
    """How many GPUs a rack should hold (``runtime.rack``)."""

    rack: str
    gpus: int


@dataclass(frozen=True, slots=True)
class RackView:
    """A rack as the fleet reports it, in GPUs: ``wanted`` by its last target, ``held`` now, ``ordered`` and to come,
    ``used`` by a replica. What is held and not used is lent out.
    """

    name: str
    wanted: int
    held: int
    ordered: int
    used: int

    @property
    def lent(self) -> int:
        """Held, and nobody is awake on them."""
        return self.held - self.used


@dataclass(frozen=True, slots=True)
class LeadTimeSample:
    """One measured transition: how long a replica took from ``start`` to serving."""

    pool: str
    start: Tier
    seconds: float
    at_s: float


class Fleet(Protocol):
    """Moves replicas."""

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas that exist, in a stable order."""
        ...

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Make the pools move towards these targets; idempotent. Pools not named keep theirs.

        Never aborts a request: a replica that leaves ``active`` drains first.
        """
        ...

    async def racks(self) -> tuple[RackView, ...]:
        """GPUs that several services share, in a stable order; none where the fleet has no racks."""
        ...

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Make racks hold so many GPUs; idempotent. Racks not named keep theirs.

        What is there too many is given back only as it becomes idle: no replica loses its GPU.
        """
        ...

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Transitions measured so far, newest last; bounded in number."""
        ...


class Rackless:
    """That part of a fleet whose GPUs are no rack: of the whole machine or the cluster, shared by whatever fits."""

    __slots__ = ()

    async def racks(self) -> tuple[RackView, ...]:
        """None."""
        return ()

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Raises KeyError for any rack."""
        for target in targets:
            raise KeyError(target.rack)
