"""Several agents as one fleet: each machine holds its share, and one that is silent is not believed to be empty.

For ``lost_s`` a silent machine counts as it was last seen, so a lost packet moves nothing. After that its replicas
are told as failed, and what they carried starts elsewhere; when it comes back, its share is worked out anew.
One whose certificate is not trusted, or that refuses our token, is there and cannot be told anything: what it carries
counts as it was last seen for as long as that lasts, and the others get what is missing. Machines may come and go
(``meet``): one that never answered is waited for as long, and then left out. Whoever was not heard is named in
``standings``, each with its own reason, also while it is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import httpx
import structlog

from runtime.agent.client import Apart, Standing
from runtime.agent.split import Machine, Stay, less, split
from runtime.clock import Clock
from runtime.fleet import Fleet, LeadTimeSample, PoolTarget, Rackless
from runtime.replica import Replica, Transition

log = structlog.get_logger(__name__)

LOST_S = 60.0

Unheard = httpx.TransportError | Apart
"""What asking a machine may end in that is no other machine's affair."""


class Agent(Fleet, Protocol):
    """A fleet of one machine that says how many replicas of each pool it has slots for."""

    @property
    def expires_s(self) -> float | None:
        """When its certificate ends, UTC epoch seconds; None without one, or before the first answer."""
        ...

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
    """A machine as it last answered, and when that was, or when it last showed that it is there; None before the first
    answer. ``met_s`` is when waiting for the first one began: None while of those named at the start none has answered.
    ``lost`` is what the last look made of it.
    """

    replicas: tuple[Replica, ...] = ()
    rooms: dict[str, int] = field(default_factory=dict)
    at_s: float | None = None
    met_s: float | None = None
    lost: bool = False
    stay: Stay = Stay.STAYS


class ManyAgents(Rackless):
    """``Fleet`` over agents by machine. Their ``node`` names must differ, for replicas are named after them."""

    def __init__(self, agents: Mapping[str, Agent], clock: Clock, lost_s: float = LOST_S) -> None:
        self._agents = dict(agents)
        self._clock = clock
        self._lost_s = lost_s
        self._seen = {name: Seen() for name in agents}
        self._troubles: dict[str, str] = {}

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
        """All replicas, by machine. Raises httpx.HTTPError where one is still waited for."""
        await self._look()
        now_s = await self._clock.now()
        seen = self._seen.values()
        return tuple(_failed(one) if self._lost(each, now_s) else one for each in seen for one in each.replicas)

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        """Tell every machine that answers its share of each pool that it knows; who is silent for a moment is told by
        the next order. Raises what the first one refuses; httpx.TransportError where nobody answers; ``Untrusted`` or
        ``Refused`` where nobody who could run a pool can be told; ValueError where no machine is left.
        """
        silent = await self._look()
        now_s = await self._clock.now()
        present = [name for name, seen in self._seen.items() if not self._lost(seen, now_s)]
        if silent and silent.keys() >= set(present):
            raise next(iter(silent.values()))
        orders: dict[str, list[PoolTarget]] = {name: [] for name in present}
        kept = {name: one for name, one in silent.items() if isinstance(one, Apart) and name in present}
        stuck: list[Apart] = []
        for target in targets:
            able = [name for name in present if target.pool in self._seen[name].rooms] or present
            free = [name for name in able if name not in kept]
            if able and not free:
                stuck.append(kept[able[0]])
                continue
            rest = less(target, [one for name in kept for one in self._seen[name].replicas])
            for name, share in split(rest, [self._machine(name, target) for name in free]).items():
                orders[name].append(_fitting(share, self._seen[name].rooms))
        await asyncio.gather(
            *(self._agents[name].apply(order, decision_id) for name, order in orders.items() if name not in silent)
        )
        if stuck:
            raise stuck[0]

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        """Transitions measured on all machines that answer, newest last."""
        told = await asyncio.gather(*(agent.lead_times() for agent in self._agents.values()), return_exceptions=True)
        for one in told:
            if isinstance(one, BaseException) and not isinstance(one, Unheard):
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

    def standings(self) -> dict[str, Standing]:
        """Of each machine, as the last look found it."""
        return {name: Standing(self._troubles.get(name, ""), agent.expires_s) for name, agent in self._agents.items()}

    async def nodes(self) -> tuple[str, ...]:
        """None: exporters of several machines are read through Prometheus."""
        return ()

    async def past(self) -> dict[str, list[list[float]]]:
        """None is kept."""
        return {}

    async def close(self) -> None:
        """Release connections."""
        await asyncio.gather(*(agent.close() for agent in self._agents.values()))

    async def _look(self) -> dict[str, Unheard]:
        """Ask every machine; who was not heard stays as last seen, and is given with what the asking ended in."""
        asked = dict(self._agents)
        told = await asyncio.gather(*(_ask(agent) for agent in asked.values()), return_exceptions=True)
        now_s = await self._clock.now()
        there = [name for name, agent in asked.items() if self._agents.get(name) is agent]
        ended = {name: one for name, one in zip(asked, told, strict=True) if name in there}
        for name, one in ended.items():
            if isinstance(one, tuple):
                seen = self._seen[name]
                seen.replicas, seen.rooms, seen.at_s, seen.lost = *one, now_s, False
        self._wait(now_s)
        unheard = {name: one for name, one in ended.items() if isinstance(one, Unheard)}
        self._tell(unheard)
        for name, one in ended.items():
            if not isinstance(one, tuple):
                self._excuse(name, one, now_s)
        return unheard

    def _wait(self, now_s: float) -> None:
        """Once one of those named at the start has answered, the others are waited for no longer than new ones are."""
        if any(seen.at_s is not None for seen in self._seen.values()):
            for seen in self._seen.values():
                seen.met_s = now_s if seen.met_s is None else seen.met_s

    def _excuse(self, name: str, error: BaseException, now_s: float) -> None:
        """Leave a machine as it was last seen; raises the error where that cannot be."""
        seen = self._seen[name]
        if not isinstance(error, Unheard) or (seen.at_s is None and not self._given_up(seen, now_s)):
            raise error
        if isinstance(error, Apart) and seen.at_s is not None and not seen.lost:
            seen.at_s = now_s  # whoever shows a certificate, or refuses, is there
        seen.lost = self._lost(seen, now_s)

    def _tell(self, unheard: Mapping[str, Unheard]) -> None:
        """Name what has changed, once."""
        troubles = {name: _named(self._agents[name], one) for name, one in unheard.items()}
        for name in troubles.keys() - self._troubles.keys():
            log.warning("an agent is left as it is", agent=name, why=troubles[name])
        for name in self._troubles.keys() - troubles.keys():
            log.info("an agent is moved again", agent=name)
        self._troubles = troubles

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


def _named(agent: Agent, error: Unheard) -> str:
    """One line; a transport's own words name nobody."""
    if isinstance(error, Apart):
        return str(error)
    return f"{agent.url}: no answer ({str(error) or type(error).__name__})"


def _fitting(share: PoolTarget, rooms: Mapping[str, int]) -> PoolTarget:
    """An agent refuses an order for more sleepers than it has slots: those of a machine that was lost are left out."""
    return replace(share, asleep=min(share.asleep, rooms.get(share.pool, 0)))


def _failed(one: Replica) -> Replica:
    return replace(one, transition=Transition.FAILED)
