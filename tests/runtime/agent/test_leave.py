"""An agent that leaves ends its replicas, again and again if somebody else orders, and waits for the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runtime.agent.leave import leave
from runtime.fleet import PoolTarget
from runtime.replica import Replica, Transition
from tests.runtime.agent.hosted import Instant
from tests.runtime.agent.test_many import Clock

POOLS = [("chat", "chat-pool")]


class Stubborn(Instant):
    """Ends one replica at an order; ``meanwhile`` somebody orders another thing once."""

    meanwhile: PoolTarget | None = None

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        there = len(await self.replicas())
        await super().apply([replace(target, active=there - 1) for target in targets], decision_id)
        if self.meanwhile is not None:
            self.targets[self.meanwhile.pool], self.meanwhile = self.meanwhile, None


async def started(active: int) -> Stubborn:
    fleet = Stubborn()
    fleet.targets["chat-pool"] = PoolTarget("chat", "chat-pool", active)
    return fleet


async def test_it_waits_for_the_last_replica_whatever_is_ordered_meanwhile() -> None:
    fleet = await started(2)
    fleet.meanwhile = PoolTarget("chat", "chat-pool", 3)
    await leave(fleet, POOLS, Clock())
    assert await fleet.replicas() == () and fleet.told == ["leave"] * 4


async def test_an_empty_agent_is_told_nothing() -> None:
    fleet = await started(0)
    await leave(fleet, POOLS, Clock())
    assert fleet.told == []


async def test_what_has_failed_has_no_requests_to_wait_for() -> None:
    class Failed(Instant):
        async def replicas(self) -> tuple[Replica, ...]:
            return tuple(replace(one, transition=Transition.FAILED) for one in await super().replicas())

    fleet = Failed(targets={"chat-pool": PoolTarget("chat", "chat-pool", 1)})
    await leave(fleet, POOLS, Clock())
    assert fleet.told == []
