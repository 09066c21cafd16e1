"""Several agents as one fleet: each machine holds its share, and one that is silent is not believed to be empty.

For ``lost_s`` a silent machine counts as it was last seen, so a lost packet moves nothing. After that its replicas
are told as failed, and what they carried starts elsewhere; when it comes back, its share is worked out anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import httpx

from runtime.agent.split import Machine, split
from runtime.clock import Clock
from runtime.fleet import Fleet, LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.replica import Replica, Transition

LOST_S = 60.0


class Agent(Fleet, Protocol):
    """A fleet of one machine that says how many replicas of each pool it has slots for."""

    @property
    def url(self) -> str:
        """Its address."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...

    async def rooms(self) -> dict[str, int]:
        """Slots by pool."""
        ...


@dataclass(slots=True)
class Seen:
    """A machine as it last answered, and when that was; None before the first answer."""

    replicas: tuple[Replica, ...] = ()
    rooms: dict[str, int] = field(default_factory=dict)
    at_s: float | None = None


class ManyAgents:
    """``Fleet`` over agents by machine. Their ``node`` names must differ, for replicas are named after them."""

    def __init__(self, agents: Mapping[str, Agent], clock: Clock, lost_s: float = LOST_S) -> None:
        if not agents:
            raise ValueError("no agents; give at least one machine")
        self._agents = dict(agents)
        self._clock = clock
        self._lost_s = lost_s
        self._seen = {name: Seen() for name in agents}

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas, by machine. Raises httpx.HTTPError where a machine was never seen, or refuses the token."""
        await self._look()
        now_s = await self._clock.now()
        seen = self._seen.values()
        return tuple(_failed(one) if self._lost(each, now_s) else one for each in seen for one in each.replicas)

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Tell every machine that answers its share. Raises what the first machine refuses."""
        await self._look()
        now_s = await self._clock.now()
        present = [name for name, seen in self._seen.items() if not self._lost(seen, now_s)]
        orders: dict[str, list[PoolTarget]] = {name: [] for name in present}
        for target in targets:
            for name, share in split(target, [self._machine(name, target) for name in present]).items():
                orders[name].append(share)
        await asyncio.gather(*(self._agents[name].apply(order, decision_id) for name, order in orders.items()))

    async def racks(self) -> tuple[RackView, ...]:
        """None: slots are shared within a machine."""
        return ()

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        """Raises KeyError for any rack."""
        for target in targets:
            raise KeyError(target.rack)

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Transitions measured on all machines that answer, newest last."""
        told = await asyncio.gather(*(agent.lead_times() for agent in self._agents.values()), return_exceptions=True)
        for one in told:
            if isinstance(one, BaseException) and not _silent(one):
                raise one
        samples = [sample for one in told if not isinstance(one, BaseException) for sample in one]
        return tuple(sorted(samples, key=lambda sample: sample.at_s))

    @property
    def url(self) -> str:
        """The first agent's address."""
        return next(iter(self._agents.values())).url

    async def nodes(self) -> tuple[str, ...]:
        """None: exporters of several machines are read through Prometheus."""
        return ()

    async def past(self) -> dict[str, list[list[float]]]:
        """None is kept."""
        return {}

    async def close(self) -> None:
        """Release connections."""
        await asyncio.gather(*(agent.close() for agent in self._agents.values()))

    async def _look(self) -> None:
        """Ask every machine; who is silent stays as last seen."""
        told = await asyncio.gather(
            *(_ask(agent) for agent in self._agents.values()),
            return_exceptions=True,
        )
        now_s = await self._clock.now()
        for name, one in zip(self._agents, told, strict=True):
            if isinstance(one, tuple):
                self._seen[name] = Seen(one[0], one[1], now_s)
            elif not _silent(one) or self._seen[name].at_s is None:
                raise one

    def _lost(self, seen: Seen, now_s: float) -> bool:
        return seen.at_s is None or now_s - seen.at_s > self._lost_s

    def _machine(self, name: str, target: PoolTarget) -> Machine:
        seen = self._seen[name]
        own = [one for one in seen.replicas if (one.service, one.pool) == (target.service, target.pool)]
        return Machine(name, seen.rooms.get(target.pool, 0), own)


async def _ask(agent: Agent) -> tuple[tuple[Replica, ...], dict[str, int]]:
    return await agent.replicas(), await agent.rooms()


def _silent(told: object) -> bool:
    return isinstance(told, httpx.TransportError)


def _failed(one: Replica) -> Replica:
    return replace(one, transition=Transition.FAILED)
