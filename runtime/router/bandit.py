"""A policy that learns which policy, or which pool, serves best: discounted Thompson sampling over arms. Pure.

An arm is a policy, among all replicas or among those of one pool. Each request that ends gives its arm a loss: time
taken over time promised, dollars per million tokens, or joules per token. Losses are forgotten geometrically, so that
an arm that became worse is left and one that became better is found again (Raj and Kalyani, arXiv 1707.09727; here
with Gaussian beliefs that share one spread). Promises: only arms that are alive are chosen; the same turns and losses
make the same choices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from runtime.pool import Pool
from runtime.router.policies import POLICIES, draw

NAME = "bandit"
DOUBT = 0.01
"""Weight of what an arm is believed to be before it was tried: as good as all others, within ten spreads."""

LEAST_SPREAD = 0.05
"""Spread over the mean loss below which it is not taken to be: losses that never vary would never be tried again."""

_ANGLES, _RADII = 1000, 2000
_UNIT = 2.0**-63


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to choose; ``pool`` None is all of them."""

    policy: str
    pool: str | None = None

    @classmethod
    def read(cls, text: str) -> Arm:
        """``sal``, or ``sal@POOL``; raises ValueError where there is no such policy."""
        policy, at, pool = text.partition("@")
        if policy not in POLICIES:
            raise ValueError(f"arm {text!r}: no policy {policy!r}; there are {', '.join(POLICIES)}")
        if at and not pool:
            raise ValueError(f"arm {text!r} names no pool after @; give {policy}@POOL or {policy}")
        return cls(policy, pool or None)

    def __str__(self) -> str:
        return f"{self.policy}@{self.pool}" if self.pool else self.policy


class Reward(StrEnum):
    """What is to be little."""

    LATENCY = "latency"
    COST = "cost"
    ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class BanditSpec:
    """``memory_requests`` is after how many requests a loss counts for a third; under cost and energy a request that
    broke its promise counts ``late_factor`` times. ``joules_per_token`` is by pool.
    """

    arms: tuple[Arm, ...] = (Arm("sal"), Arm("lmetric"), Arm("prefix-affinity"))
    reward: Reward = Reward.LATENCY
    memory_requests: float = 500.0
    late_factor: float = 3.0
    joules_per_token: Mapping[str, float] = field(default_factory=dict)

    def check(self, pools: Sequence[str]) -> None:
        """Raises ValueError where a replica of these pools could belong to no arm, or its energy is not known."""
        if not self.arms:
            raise ValueError("bandit: no arms; give arms: [sal, lmetric]")
        named = {arm.pool for arm in self.arms}
        if unknown := sorted(pool for pool in named if pool is not None and pool not in pools):
            raise ValueError(f"bandit: no pool {unknown[0]!r}; there are {', '.join(pools)}")
        if None not in named and (lacking := [pool for pool in pools if pool not in named]):
            raise ValueError(f"bandit: no arm takes pool {lacking[0]}; give {self.arms[0].policy}@{lacking[0]} too")
        if self.reward is Reward.ENERGY and (lacking := [pool for pool in pools if pool not in self.joules_per_token]):
            raise ValueError(f"bandit: joules_per_token of pool {lacking[0]} is missing; give joules per token")

    def loss(self, pool: Pool, sizes: tuple[int, int], taken: float, kept: bool) -> float:
        """What a request cost: ``sizes`` its uncached input and its output tokens, ``taken`` its time over that
        promised. Dollars are those of its work (DESIGN 4) at the pool's price.
        """
        if self.reward is Reward.LATENCY:
            return taken
        late = 1.0 if kept else self.late_factor
        if self.reward is Reward.ENERGY:
            return self.joules_per_token[pool.name] * late
        usd = pool.step.work_ms(*sizes) / 3.6e6 * pool.replica_usd_per_hour
        return usd / max(1, sum(sizes)) * 1e6 * late


@dataclass(slots=True)
class Belief:
    """What is known of an arm: discounted number and sum of its losses, and how often it was chosen."""

    weight: float = 0.0
    total: float = 0.0
    chosen: int = 0

    @property
    def mean(self) -> float | None:
        """The mean loss; None before there was one."""
        return self.total / self.weight if self.weight else None


@dataclass(slots=True)
class Bandit:
    """All arms of a service."""

    spec: BanditSpec
    beliefs: dict[Arm, Belief] = field(default_factory=dict)
    scatter: float = 0.0

    def __post_init__(self) -> None:
        self.beliefs = {arm: Belief() for arm in self.spec.arms}

    @property
    def mean(self) -> float:
        """The mean loss of all arms together, 0 before there was one."""
        weight = sum(belief.weight for belief in self.beliefs.values())
        return sum(belief.total for belief in self.beliefs.values()) / weight if weight else 0.0

    def choose(self, alive: Sequence[Arm], turn: int) -> Arm:
        """The arm whose loss, drawn from what is believed of it, is least; of one or more that are alive."""
        weight, mean = sum(belief.weight for belief in self.beliefs.values()), self.mean
        spread = max(math.sqrt(self.scatter / weight), LEAST_SPREAD * mean) if weight else 1.0

        losses = {}
        for stream, (arm, belief) in enumerate(self.beliefs.items()):
            known = belief.weight + DOUBT
            losses[arm] = (belief.total + DOUBT * mean) / known + spread * normal(turn, stream) / math.sqrt(known)
        arm = min(alive, key=losses.__getitem__)
        self.beliefs[arm].chosen += 1
        return arm

    def learn(self, arm: Arm, loss: float) -> None:
        """A request of that arm ended so."""
        if arm not in self.beliefs:
            return  # sent before another configuration
        keep = 1 - 1 / self.spec.memory_requests
        for belief in self.beliefs.values():
            belief.weight *= keep
            belief.total *= keep
        belief = self.beliefs[arm]
        before = loss if belief.mean is None else belief.mean
        belief.weight += 1
        belief.total += loss
        # Of losses that are all alike the product is below zero by a rounding.
        self.scatter = self.scatter * keep + max(0.0, (loss - before) * (loss - belief.total / belief.weight))

    def fail(self, arm: Arm) -> None:
        """A request of that arm was not answered: as bad as a late one, once it is known what that is."""
        if self.mean:
            self.learn(arm, self.spec.late_factor * self.mean)


def normal(turn: int, stream: int) -> float:
    """A standard normal number for this turn (Box and Muller); streams are independent of each other."""
    angle, radius = draw(turn, _ANGLES + stream), draw(turn, _RADII + stream)
    return math.sqrt(-2 * math.log((radius + 1) * _UNIT)) * math.cos(2 * math.pi * angle * _UNIT)
