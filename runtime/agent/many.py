"""Several agents as one fleet: each machine holds its share, and one that is silent is not believed to be empty.

For ``lost_s`` a silent machine counts as it was last seen, so a lost packet moves nothing. After that its replicas
are told as failed, and what they carried starts elsewhere; when it comes back, its share is worked out anew.
Machines may come and go (``meet``): one that was met and never answered is waited for as long, and then left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import httpx

from runtime.agent.split import Machine, Stay, split
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
    """A machine as it last answered, and when that was; None before the first answer.

    ``met_s`` is when it appeared, None where it was named from the start: such a one must have answered once.
    """

    replicas: tuple[Replica, ...] = ()
    rooms: dict[str, int] = field(default_factory=dict)
    at_s: float | None = None
    met_s: float | None = None
    stay: Stay = Stay.STAYS


class ManyAgents:
    """``Fleet`` over agents by machine. Their ``node`` names must differ, for replicas are named after them."""

    def __init__(self, agents: Mapping[str, Agent], clock: Clock, lost_s: float = LOST_S) -> None:
        self._agents = dict(agents)
        self._clock = clock
        self._lost_s = lost_s
        self._seen = {name: Seen() for name in agents}

    def meet(self, agents: Mapping[str, Agent], leaving: Mapping[str, Stay], now_s: float) -> None:
        """From now on these are the machines; ``leaving`` says which of them do not stay. One whose agent is another
        than before is another machine.
        """
        before = {name: seen for name, seen in self._seen.items() if agents.get(name) is self._agents[name]}
        self._agents = dict(agents)
        self._seen = {name: before.get(name) or Seen(met_s=now_s) for name in agents}
        for name, seen in self._seen.items():
            seen.stay = leaving.get(name, Stay.STAYS)

    async def replicas(self) -> tuple[Replica, ...]:
        """All replicas, by machine. Raises httpx.HTTPError where a machine was never seen, or refuses the token."""
        await self._look()
        now_s = await self._clock.now()
        seen = self._seen.values()
        return tuple(_failed(one) if self._lost(each, now_s) else one for each in seen for one in each.replicas)

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Tell every machine that answers its share of each pool that it knows; who is silent for a moment is told by
        the next order. Raises what the first one refuses, httpx.TransportError where nobody answers, ValueError where
        no machine is left.
        """
        silent = await self._look()
        now_s = await self._clock.now()
        present = [name for name, seen in self._seen.items() if not self._lost(seen, now_s)]
        orders: dict[str, list[PoolTarget]] = {name: [] for name in present}
        for target in targets:
            able = [name for name in present if target.pool in self._seen[name].rooms] or present
            for name, share in split(target, [self._machine(name, target) for name in able]).items():
                orders[name].append(_fitting(share, self._seen[name].rooms))
        told = [name for name in orders if name not in silent]
        if silent and not told:
            raise next(iter(silent.values()))
        await asyncio.gather(*(self._agents[name].apply(orders[name], decision_id) for name in told))

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
            if isinstance(one, BaseException) and not isinstance(one, httpx.TransportError):
                raise one
        samples = [sample for one in told if not isinstance(one, BaseException) for sample in one]
        return tuple(sorted(samples, key=lambda sample: sample.at_s))

    @property
    def url(self) -> str:
        """The first agent's address; empty while there is none."""
        return next((agent.url for agent in self._agents.values()), "")

    def rooms(self) -> dict[str, dict[str, int]]:
        """Slots by pool, of each machine as last seen."""
        return {name: dict(seen.rooms) for name, seen in self._seen.items()}

    async def nodes(self) -> tuple[str, ...]:
        """None: exporters of several machines are read through Prometheus."""
        return ()

    async def past(self) -> dict[str, list[list[float]]]:
        """None is kept."""
        return {}

    async def close(self) -> None:
        """Release connections."""
        await asyncio.gather(*(agent.close() for agent in self._agents.values()))

    async def _look(self) -> dict[str, httpx.TransportError]:
        """Ask every machine; who is silent stays as last seen, and is given with what the asking ended in."""
        asked = dict(self._agents)
        told = await asyncio.gather(*(_ask(agent) for agent in asked.values()), return_exceptions=True)
        now_s, silent = await self._clock.now(), {}
        for (name, agent), one in zip(asked.items(), told, strict=True):
            if self._agents.get(name) is not agent:
                continue
            seen = self._seen[name]
            if isinstance(one, tuple):
                seen.replicas, seen.rooms, seen.at_s = *one, now_s
            elif isinstance(one, httpx.TransportError) and (seen.at_s is not None or self._given_up(seen, now_s)):
                silent[name] = one
            else:
                raise one
        return silent

    def _lost(self, seen: Seen, now_s: float) -> bool:
        return seen.at_s is None or now_s - seen.at_s > self._lost_s

    def _given_up(self, seen: Seen, now_s: float) -> bool:
        return seen.met_s is not None and now_s - seen.met_s > self._lost_s

    def _machine(self, name: str, target: PoolTarget) -> Machine:
        seen = self._seen[name]
        own = [one for one in seen.replicas if (one.service, one.pool) == (target.service, target.pool)]
        return Machine(name, seen.rooms.get(target.pool, 0), own, seen.stay)


async def _ask(agent: Agent) -> tuple[tuple[Replica, ...], dict[str, int]]:
    return await agent.replicas(), await agent.rooms()


def _fitting(share: PoolTarget, rooms: Mapping[str, int]) -> PoolTarget:
    """An agent refuses an order for more sleepers than it has slots: those of a machine that was lost are left out."""
    return replace(share, asleep=min(share.asleep, rooms.get(share.pool, 0)))


def _failed(one: Replica) -> Replica:
    return replace(one, transition=Transition.FAILED)
