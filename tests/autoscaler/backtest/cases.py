"""Small cases to play: minutes of made-up traffic on a pool of round numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autoscaler.backtest.case import Case
from autoscaler.peers.rule import FleetSignals
from autoscaler.policy import Policy
from runtime.pool import Pool
from runtime.traces import Trace
from tests.autoscaler.cases import POOL

START_S = 1_800_000_000.0

POLICY = Policy.model_validate({"replicas": {"min": 1, "max": 8}, "scale_in": {"settle_after_restart_s": 0}})


def trace(seconds: float = 600.0, rps: float = 10.0, growth: float = 3.0, seed: int = 0) -> Trace:
    """Requests at random moments, ``growth`` times as many at the end as at the start; the first at 0."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rps * (1 + growth) / 2)
    # Density 1 + (growth - 1)·u over u in [0, 1], by inverting its cumulated form.
    drawn = np.sort(rng.random(n))
    slope = growth - 1
    at = drawn if slope == 0 else (np.sqrt(1 + drawn * slope * (2 + slope)) - 1) / slope
    arrival_s = seconds * (at - at[0])
    tokens = rng.integers(200, 1800, n, dtype=np.int32), rng.integers(20, 400, n, dtype=np.int32)
    return Trace("made-up", arrival_s, *tokens)


def requests(*rows: tuple[float, int, int]) -> Trace:
    """These requests: (arrival_s, input tokens, output tokens)."""
    arrival_s, inputs, outputs = zip(*rows, strict=True)
    return Trace("by hand", np.array(arrival_s, np.float64), np.array(inputs, np.int32), np.array(outputs, np.int32))


def case(of: Trace | None = None, policy: Policy = POLICY, pool: Pool = POOL, seed: int = 0) -> Case:
    """A case on that traffic."""
    return Case("made-up", pool, policy, trace() if of is None else of, START_S, seed)


@dataclass
class Fixed:
    """A rule that always wants ``wanted`` replicas, in turn, and keeps all that it was shown."""

    wanted: tuple[int, ...] = (2,)
    interval_s: float = 15.0
    name: str = "fixed"
    shown: list[FleetSignals] = field(default_factory=list)

    def desired(self, signals: FleetSignals) -> int:
        self.shown.append(signals)
        return self.wanted[min(len(self.shown), len(self.wanted)) - 1]
