"""What is sent: one load to fit on, others to predict, each fixed by its seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from runtime.traces import Trace


@dataclass(frozen=True, slots=True)
class Load:
    """Poisson arrivals for ``seconds``; lengths even between their bounds, tokens; KV blocks of the engine.

    The rate climbs evenly from the first of ``per_s`` to the second, requests per second.
    """

    name: str
    per_s: tuple[float, float]
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    seconds: float
    blocks: int
    seed: int

    def lasting(self, seconds: float) -> Load:
        """The same for another time."""
        return replace(self, seconds=seconds)

    def trace(self) -> Trace:
        """Its requests: as many as are expected in the time, where such a Poisson process would put them."""
        rng = np.random.default_rng(self.seed)
        low, high = self.per_s
        count = round((low + high) / 2 * self.seconds)
        slope = (high - low) / self.seconds
        expected = rng.random(count) * count
        at_s = expected / low if slope == 0 else (np.sqrt(low * low + 2 * slope * expected) - low) / slope
        return Trace(
            self.name,
            np.sort(at_s),
            rng.integers(*self.input_tokens, count, np.int32, endpoint=True),
            rng.integers(*self.output_tokens, count, np.int32, endpoint=True),
        )
