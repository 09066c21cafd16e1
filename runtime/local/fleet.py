"""The fleet of one machine. (Skeleton: what its constructor takes.)"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.clock import Clock
from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.local.spec import Kind, LocalSpec
from runtime.replica import Replica


class LocalFleet:
    """``runtime.fleet.Fleet`` over processes of this machine; ``start`` before anything else, ``close`` at the end."""

    def __init__(self, spec: LocalSpec, clock: Clock) -> None:
        self.spec = spec
        self._clock = clock

    async def start(self) -> None:
        """Adopt what still runs in ``spec.home`` and begin to look after it. Raises ValueError where another runs."""
        raise NotImplementedError

    async def close(self, *, stop: bool = True) -> None:
        """End every replica, or leave them serving for ``orphan_s`` so that the next fleet adopts them."""
        raise NotImplementedError

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas, in the order of their names."""
        raise NotImplementedError

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """As the protocol. Raises KeyError for an unknown pool, ValueError for a target that cannot be."""
        raise NotImplementedError

    async def racks(self) -> tuple[RackView, ...]:
        """None: slots are shared within the machine."""
        return ()

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Raises KeyError for any rack."""
        for target in targets:
            raise KeyError(target.rack)

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Starts and wakes measured so far, newest last."""
        raise NotImplementedError

    async def nodes(self) -> tuple[str, ...]:
        """This machine's name where it has GPUs, for whoever scrapes them."""
        return (self.spec.node,) if any(slot.kind is Kind.GPU for slot in self.spec.slots) else ()
