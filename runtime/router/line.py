"""The line of requests that no replica has room for: who is next, and who goes where there is no room to wait.

Pure. Classes go before each other strictly. Within a class, tenants share by start-time fair queueing (Goyal, Vin and
Cheng 1996) over tokens: a request's start tag is the later of the line's virtual time and the end of what its tenant
asked for before, an end is the start plus tokens over weight, and the least start is next. Who floods the line waits
behind itself; who comes new is next. Requests that only some pools can take stand apart, so that a long one never
blocks a short one.

Promises: each waiter is taken once or leaves once; where the line is full, the tenant that holds most of the last
class gives way.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MOST_ENDS, MOST_GONE = 10_000, 64
T = TypeVar("T")
Kind = tuple[int, int]
"""Class, 0 goes first, and the size (``runtime.router.sizes``) that decides which pools can take it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request's place in the line goes by."""

    tenant: str = ""
    weight: float = 1.0
    level: int = 0
    size: int = 0
    tokens: int = 1

    @property
    def kind(self) -> Kind:
        """Those of one kind can be sent or cannot alike."""
        return self.level, self.size


@dataclass(frozen=True, slots=True, order=True)
class Waiter(Generic[T]):
    """One that waits; ordered by its start tag, then by arrival."""

    start: float
    order: int
    claim: Claim = field(compare=False)
    what: T = field(compare=False)


@dataclass(slots=True)
class Line(Generic[T]):
    """Everybody who waits for one service. ``ends`` are tenants' virtual ends, by class."""

    heaps: dict[Kind, list[Waiter[T]]] = field(default_factory=dict)
    here: dict[int, Waiter[T]] = field(default_factory=dict)
    holding: Counter[tuple[int, str]] = field(default_factory=Counter)
    now: dict[int, float] = field(default_factory=dict)
    ends: dict[tuple[int, str], float] = field(default_factory=dict)
    arrivals: int = 0

    def __len__(self) -> int:
        return len(self.here)

    def add(self, claim: Claim, what: T) -> Waiter[T]:
        """Stand in line."""
        key = claim.level, claim.tenant
        start = max(self.now.get(claim.level, 0.0), self.ends.get(key, 0.0))
        self.arrivals += 1
        waiter = Waiter(start, self.arrivals, claim, what)
        self.ends[key] = start + max(1, claim.tokens) / claim.weight
        heap = self.heaps.setdefault(claim.kind, [])
        if len(heap) > 2 * len(self.here) + MOST_GONE:
            heap[:] = sorted(waiter for waiter in heap if waiter.order in self.here)
        heapq.heappush(heap, waiter)
        self.here[waiter.order] = waiter
        self.holding[key] += 1
        return waiter

    def first(self, but: Collection[Kind] = ()) -> Waiter[T] | None:
        """Who is next, those of some kinds left out."""
        tops = [top for kind in self.heaps if kind not in but and (top := self._top(kind))]
        return min(tops, key=lambda waiter: (waiter.claim.level, waiter), default=None)

    def ahead(self, claim: Claim) -> bool:
        """Whether somebody waits whom this one must not pass."""
        same = [kind for kind in self.heaps if kind[0] <= claim.level and kind[1] == claim.size]
        return any(self._top(kind) for kind in same)

    def sizes(self) -> set[int]:
        """Sizes of those who wait."""
        return {kind[1] for kind in self.heaps if self._top(kind)}

    def take(self, waiter: Waiter[T]) -> None:
        """It is sent."""
        level = waiter.claim.level
        self.now[level] = max(self.now.get(level, 0.0), waiter.start)
        self.leave(waiter)

    def leave(self, waiter: Waiter[T]) -> None:
        """It waits no longer."""
        del self.here[waiter.order]
        key = waiter.claim.level, waiter.claim.tenant
        self.holding[key] -= 1
        if not self.holding[key]:
            del self.holding[key]
        self._forget()

    def giving_way(self, claim: Claim) -> Waiter[T] | None:
        """Who must leave a full line for this one: the newest of whoever holds most of the last class; None if that
        is whoever comes.
        """
        weights = {(w.claim.level, w.claim.tenant): w.claim.weight for w in self.here.values()}
        held = {key: count / weights[key] for key, count in self.holding.items()}
        own = claim.level, claim.tenant
        mine = claim.level, (self.holding[own] + 1) / claim.weight
        worst = max(held, key=lambda key: (key[0], held[key]), default=own)
        if worst == own or (worst[0], held[worst]) <= mine:
            return None
        newest = max((w for w in self.here.values() if (w.claim.level, w.claim.tenant) == worst), key=lambda w: w.order)
        self.ends[worst] = newest.start
        return newest

    def _top(self, kind: Kind) -> Waiter[T] | None:
        heap = self.heaps[kind]
        while heap and heap[0].order not in self.here:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _forget(self) -> None:
        """Nothing is held against anybody once the line is empty."""
        if not self.here:
            self.heaps.clear()
            self.ends.clear()
            self.now.clear()
        elif len(self.ends) > MOST_ENDS:
            self.ends = {key: end for key, end in self.ends.items() if end > self.now.get(key[0], 0.0)}
