"""One service at the router: its replicas in rotation, and the line of requests that wait for one.

Promises: a request is accounted for in the same breath in which its replica is chosen, so that no two see the same
account; who came first is sent first; whoever waits is bounded in number and time; a replica that leaves is given
nothing more and keeps what it has.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runtime.replica import Replica
from runtime.router.load import Asked, Load
from runtime.router.passage import Passage, send
from runtime.router.policies import POLICIES
from runtime.router.spec import Limits, RoutedService

FAILURES_IN_A_ROW = 3
"""Answers of 500 after which a replica is taken to be broken; one alone may be the request's own fault."""


class Refused(Exception):
    """No place for this request: ``status`` 429 where there is too much, 503 where there is no replica."""

    def __init__(self, status: int, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


@dataclass(slots=True)
class Counts:
    """Totals of a service; ``lost`` are those that began and broke, and those that no replica finished."""

    arrived: int = 0
    ended: int = 0
    attained: int = 0
    rejected: int = 0
    lost: int = 0
    retried: int = 0
    left: int = 0


@dataclass(slots=True)
class _Waiter:
    asked: Asked
    tried: frozenset[str]
    place: asyncio.Future[Passage]


@dataclass(slots=True)
class Service:
    """``clock`` gives seconds of a steady clock; ``wake`` is called, again and again, while requests wait and there is
    no replica.
    """

    spec: RoutedService
    limits: Limits
    clock: Callable[[], float]
    wake: Callable[[str, int], None]
    loads: dict[str, Load] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    line: deque[_Waiter] = field(default_factory=deque)
    turn: int = 0

    @property
    def held(self) -> int:
        """Requests that wait for a replica."""
        return len(self.line)

    def rotate(self, replicas: Iterable[Replica]) -> None:
        """These are in rotation now; those that were already keep their accounts."""
        kept: dict[str, Load] = {}
        for replica in replicas:
            old = self.loads.get(replica.name)
            if old is not None and old.base_url == replica.base_url:
                kept[replica.name] = old
            elif pool := self.spec.pools.get(replica.pool):
                kept[replica.name] = Load.of(replica.name, replica.base_url, pool)
        self.loads = kept
        self.pump()

    async def admit(self, asked: Asked, tried: frozenset[str], until_s: float) -> Passage:
        """A place for the request, by ``until_s``; raises ``Refused``. Replicas ``tried`` are last to be chosen."""
        if not self.line and (passage := self._place(asked, tried)):
            return passage
        if len(self.line) >= self.limits.held:
            raise self._full()
        waiter = _Waiter(asked, tried, asyncio.get_running_loop().create_future())
        self.line.append(waiter)
        self._call()
        try:
            async with asyncio.timeout(until_s - self.clock()):
                return await asyncio.shield(waiter.place)
        except TimeoutError:
            self._leave(waiter)
            raise Refused(503, "no replica came in time", 5) from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def pump(self) -> None:
        """Send whoever can be sent; to be called whenever there may be room."""
        while self.line:
            waiter = self.line[0]
            passage = self._place(waiter.asked, waiter.tried)
            if passage is None:
                break
            self.line.popleft()
            waiter.place.set_result(passage)
        self._call()

    def end(self, passage: Passage) -> None:
        """The request is over; its place is free."""
        passage.end(self.clock())
        self.pump()

    def succeeded(self, load: Load) -> None:
        """The replica answers."""
        load.failures = 0

    def failed(self, load: Load, broken: bool) -> None:
        """The replica did not answer as it should; ``broken`` where it cannot be the request's fault."""
        load.failures += 1
        if broken or load.failures >= FAILURES_IN_A_ROW:
            load.out_until_s = self.clock() + self.limits.out_s
            asyncio.get_running_loop().call_later(self.limits.out_s + 0.001, self.pump)

    def untried(self, tried: frozenset[str]) -> bool:
        """Whether there is a replica that has not been tried."""
        return any(name not in tried for name in self.loads)

    def _place(self, asked: Asked, tried: frozenset[str]) -> Passage | None:
        now_s = self.clock()
        room = [x for x in self.loads.values() if x.out_until_s <= now_s and x.requests < self.limits.in_flight]
        if not room:
            return None
        fresh = [load for load in room if load.name not in tried] if tried else room
        self.turn += 1
        return send(POLICIES[self.spec.policy](fresh or room, asked, self.turn), asked, now_s)

    def _leave(self, waiter: _Waiter) -> None:
        """A waiter goes away; a place that it got in the same moment is given back."""
        if waiter.place.done():
            self.end(waiter.place.result())
        else:
            self.line.remove(waiter)
            waiter.place.cancel()

    def _call(self) -> None:
        if self.line and not self.loads:
            self.wake(self.spec.name, len(self.line))

    def _full(self) -> Refused:
        if self.loads:
            return Refused(429, f"{len(self.line)} requests wait already", 1)
        return Refused(503, f"no replica yet, and {len(self.line)} requests wait already", 5)
