"""One simulated replica: where it is in its life, on which GPUs, and what that means to those who ask."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runtime.pool import Pool
from runtime.replica import Tier, Transition
from runtime.simulated.gpus import Gpu
from runtime.simulated.lanes import Lane


@dataclass(slots=True)
class SimulatedReplica:
    """A replica and its row in the engine state; its transition began in ``origin`` and ends at ``ready_at_s``.

    Without ``gpus`` its pool is sold out: it launches once there are some. Where its provider has taken it back,
    ``reclaimed``, it drains until ``ready_at_s`` and nobody counts on it.
    """

    name: str
    lane: Lane
    row: int
    tier: Tier
    transition: Transition | None
    since_s: float
    gpus: list[Gpu]
    created_s: float
    ready_at_s: float = math.inf
    origin: Tier = Tier.COLD
    reclaimed: bool = False

    @property
    def service(self) -> int:
        """The index of its service."""
        return self.lane.service

    @property
    def pool(self) -> Pool:
        """What it is one of."""
        return self.lane.pool

    @property
    def serving(self) -> bool:
        """In rotation now."""
        return self.tier is Tier.ACTIVE and self.transition is None

    @property
    def has_process(self) -> bool:
        """Whether an engine process answers: not while it launches, nor once it failed, nor on an empty warm node."""
        return self.tier is not Tier.WARM_NODE and self.transition not in (Transition.LAUNCHING, Transition.FAILED)

    @property
    def asleep(self) -> bool:
        """Whether its weights are out of GPU memory; so they are until it has woken up."""
        waking = self.transition is Transition.WAKING and self.origin is Tier.ASLEEP
        return waking or (self.tier is Tier.ASLEEP and self.transition is None)

    def become(self, now_s: float, tier: Tier, transition: Transition | None, ready_at_s: float = math.inf) -> None:
        """Change state; a transition that ends by itself ends at ``ready_at_s``."""
        self.tier, self.transition = tier, transition
        self.since_s, self.ready_at_s = now_s, ready_at_s
