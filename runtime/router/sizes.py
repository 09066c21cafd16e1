"""Short and long pools: a request goes to the smallest that takes its token budget, to a larger one where that has no
room, and never to a smaller one.

Pure. A budget is the prompt and what may be written: ``max_tokens`` where the request says it, else the mean so far,
so that no engine refuses for its length what it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.router.load import Load

UNBOUNDED = 2**62


@dataclass(frozen=True, slots=True)
class Sizes:
    """``takes`` is the largest budget of each pool that has one, tokens."""

    takes: Mapping[str, int] = field(default_factory=dict)

    def of(self, pool: str) -> int:
        """The largest budget of a pool."""
        return self.takes.get(pool, UNBOUNDED)

    def need(self, tokens: int, pools: Iterable[str]) -> int:
        """The size of a request: the least largest budget that holds it, or that of the largest pool there is."""
        if not self.takes:
            return 0
        there = [self.of(pool) for pool in pools]
        return min((size for size in there if size >= tokens), default=max(there))

    def able(self, loads: Iterable[Load], need: int) -> list[Load]:
        """Those whose pools take a request of that size."""
        return [load for load in loads if self.of(load.pool) >= need]

    def smallest(self, loads: Sequence[Load]) -> Sequence[Load]:
        """Those of the smallest pools among these."""
        if not self.takes or not loads:
            return loads
        least = min(self.of(load.pool) for load in loads)
        return [load for load in loads if self.of(load.pool) == least]
