"""One service at the router: its replicas in rotation, and the line of requests that wait for one.

Promises: a request is accounted for in the same breath in which its replica is chosen, so that no two see the same
account; whoever waits does so in the order of ``line``, bounded in number and time; a replica that leaves is given
nothing more and keeps what it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runtime.replica import Replica
from runtime.router import bandit
from runtime.router.bandit import Bandit
from runtime.router.line import Claim, Kind, Line, Waiter
from runtime.router.load import Asked, Load
from runtime.router.passage import Done, End, Passage, send
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
    """Totals of a service; ``lost`` are those that began and broke, and those that no replica finished; ``continued``
    those that one began and another finished.
    """

    arrived: int = 0
    ended: int = 0
    attained: int = 0
    rejected: int = 0
    lost: int = 0
    retried: int = 0
    continued: int = 0
    left: int = 0


@dataclass(slots=True)
class _Waiting:
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
    line: Line[_Waiting] = field(default_factory=Line)
    turn: int = 0
    bandit: Bandit | None = None
    written_tokens: int = 0
    finished: int = 0

    @property
    def held(self) -> int:
        """Requests that wait for a replica."""
        return len(self.line)

    def configure(self, spec: RoutedService, limits: Limits) -> None:
        """Go on with another configuration; a bandit whose own did not change keeps what it knows."""
        self.spec, self.limits = spec, limits
        if spec.policy != bandit.NAME:
            self.bandit = None
        elif self.bandit is None or self.bandit.spec != spec.bandit:
            self.bandit = Bandit(spec.bandit)

    def rotate(self, replicas: Iterable[Replica]) -> None:
        """These are in rotation now, if their pool is known; those that were already keep their accounts."""
        kept: dict[str, Load] = {}
        for replica in replicas:
            old, pool = self.loads.get(replica.name), self.spec.pools.get(replica.pool)
            if pool is None:
                continue
            same = old is not None and (old.base_url, old.pool) == (replica.base_url, pool.name)
            kept[replica.name] = old if old and same else Load.of(replica.name, replica.base_url, pool)
        self.loads = kept
        self.pump()

    def held_of(self, level: int) -> int:
        """Requests of one class that wait."""
        return sum(count for (held, _), count in self.line.holding.items() if held == level)

    def size(self, asked: Asked) -> int:
        """The size that decides which pools take it."""
        written = asked.most_output_tokens
        budget = asked.input_tokens + (self.expected_output(asked) if written is None else written)
        return self.spec.size(budget)

    def expected_output(self, asked: Asked) -> int:
        """Tokens that a request will probably write: the mean so far, at most what it allows."""
        mean = self.written_tokens // max(1, self.finished)
        return mean if asked.most_output_tokens is None else min(mean, asked.most_output_tokens)

    async def admit(self, asked: Asked, claim: Claim, tried: frozenset[str], until_s: float) -> Passage:
        """A place for the request, by ``until_s``; raises ``Refused``. Replicas ``tried`` are last to be chosen."""
        if not (self.line and self.line.ahead(claim)) and (passage := self._place(asked, claim, tried)):
            return passage
        if len(self.line) >= self.limits.held:
            self._make_room(claim)
        waiter = self.line.add(claim, _Waiting(asked, tried, asyncio.get_running_loop().create_future()))
        self._call()
        try:
            async with asyncio.timeout(until_s - self.clock()):
                return await asyncio.shield(waiter.what.place)
        except TimeoutError:
            self._leave(waiter)
            raise Refused(503, "no replica came in time", 5) from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def pump(self) -> None:
        """Send whoever can be sent; to be called whenever there may be room."""
        stuck: set[Kind] = set()
        while self.line and (waiter := self.line.first(stuck)):
            passage = self._place(waiter.what.asked, waiter.claim, waiter.what.tried)
            if passage is None:
                stuck.add(waiter.claim.kind)
            else:
                self.line.take(waiter)
                waiter.what.place.set_result(passage)
        self._call()

    def end(self, passage: Passage) -> None:
        """The request is over; its place is free."""
        passage.end(self.clock())
        if passage.written:
            self.written_tokens += passage.written
            self.finished += 1
        self.pump()

    def answered(self, passage: Passage, done: Done) -> None:
        """The replica answered; what it began may have broken off."""
        passage.load.failures = 0
        pool = self.spec.pools.get(passage.load.pool)
        if self.bandit is None or passage.arm is None or pool is None or done.end is End.REFUSED:
            return
        if done.end is End.BROKEN:
            return self.bandit.fail(passage.arm)
        due_s = self.spec.promise.last_s(passage.asked.input_tokens, done.output_tokens)
        taken = (done.last_s - passage.sent_s) / due_s
        loss = self.bandit.spec.loss(pool, (passage.uncached, done.output_tokens), taken, taken <= 1)
        self.bandit.learn(passage.arm, loss)

    def failed(self, passage: Passage, broken: bool) -> None:
        """The replica did not answer as it should; ``broken`` where it cannot be the request's fault."""
        load = passage.load
        load.failures += 1
        if self.bandit is not None and passage.arm is not None:
            self.bandit.fail(passage.arm)
        if broken or load.failures >= FAILURES_IN_A_ROW:
            load.out_until_s = self.clock() + self.limits.out_s
            asyncio.get_running_loop().call_later(self.limits.out_s + 0.001, self.pump)

    def untried(self, tried: frozenset[str]) -> bool:
        """Whether there is a replica that has not been tried."""
        return any(name not in tried for name in self.loads)

    def _place(self, asked: Asked, claim: Claim, tried: frozenset[str]) -> Passage | None:
        now_s, most = self.clock(), self.limits.in_flight * self.spec.share(claim.level)
        room = [x for x in self.spec.sizes.able(self.loads.values(), claim.size) if x.has_room(most, now_s)]
        if not room:
            return None
        fresh = [load for load in room if load.name not in tried] if tried else room
        self.turn += 1
        among = self.spec.sizes.smallest(fresh or room)
        if self.bandit is None:
            return send(POLICIES[self.spec.policy](among, asked, self.turn), asked, now_s)
        by_arm = {arm: [load for load in among if arm.pool in (None, load.pool)] for arm in self.bandit.beliefs}
        arm = self.bandit.choose([arm for arm, loads in by_arm.items() if loads], self.turn)
        return send(POLICIES[arm.policy](by_arm[arm], asked, self.turn), asked, now_s, arm)

    def _leave(self, waiter: Waiter[_Waiting]) -> None:
        """A waiter goes away; a place that it got in the same moment is given back."""
        place = waiter.what.place
        if not place.done():
            self.line.leave(waiter)
            place.cancel()
        elif place.exception() is None:
            self.end(place.result())

    def _call(self) -> None:
        """Have replicas woken where somebody waits whom none that there is could take."""
        if any(not self.spec.sizes.able(self.loads.values(), size) for size in self.line.sizes()):
            self.wake(self.spec.name, len(self.line))

    def _make_room(self, claim: Claim) -> None:
        """Turn away whoever must give way in a full line, or else raise ``Refused`` for who comes."""
        if (waiter := self.line.giving_way(claim)) is None:
            raise self._full()
        waiter.what.place.set_exception(self._full())
        self.line.leave(waiter)

    def _full(self) -> Refused:
        if self.loads:
            return Refused(429, f"{len(self.line)} requests wait already", 1)
        return Refused(503, f"no replica yet, and {len(self.line)} requests wait already", 5)
