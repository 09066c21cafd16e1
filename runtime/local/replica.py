"""One local replica: where it is in its life, on which devices, in which processes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from runtime.lifecycle import Member
from runtime.local.engine import Engine
from runtime.local.process import Process
from runtime.local.spec import EngineSpec, Slot
from runtime.replica import Replica, Tier, Transition


@dataclass(slots=True, eq=False)
class LocalReplica:
    """``tier`` is where it is or is going; the flags say how far it has come.

    It ``claims`` its slot while its engine uses, or is about to use, the devices; it is ``ready`` once its engine has
    answered, ``switching`` while it is told to sleep or wake, ``admitted`` from its first moment in rotation until it
    was seen empty after leaving at ``left_s``. What is measured as its lead time began at ``moved_s`` in the tier
    ``origin``.
    """

    name: str
    engine: EngineSpec
    tier: Tier
    transition: Transition | None
    since_s: float
    slot: Slot | None = None
    port: int = 0
    process: Process | None = None
    client: Engine | None = None
    claims: bool = False
    ready: bool = False
    asleep: bool = False
    admitted: bool = False
    adopted: bool = False
    ending: bool = False
    switching: bool = False
    origin: Tier = Tier.COLD
    moved_s: float = 0.0
    left_s: float = 0.0
    ready_s: float = 0.0
    load: int = 0
    golden: tuple[int, ...] = ()
    waits_for: str = ""
    job: asyncio.Task[None] | None = field(default=None, repr=False)
    watch: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def serving(self) -> bool:
        """In rotation now."""
        return self.tier is Tier.ACTIVE and self.transition is None

    @property
    def leaving(self) -> bool:
        """On its way out of its slot: asleep or gone soon."""
        return self.tier in (Tier.ASLEEP, Tier.COLD) or self.transition is Transition.FAILED

    def become(self, now_s: float, tier: Tier, transition: Transition | None) -> None:
        """Change state."""
        if self.serving and transition is not None:
            self.left_s = now_s
        if (tier, transition) != (self.tier, self.transition):
            self.since_s = now_s
        self.tier, self.transition = tier, transition

    def view(self, node: str) -> Replica:
        """As the contract shows it; without an address until it has a process."""
        return Replica(
            name=self.name,
            service=self.engine.service,
            pool=self.engine.pool,
            tier=self.tier,
            transition=self.transition,
            since_s=self.since_s,
            base_url=self.client.base_url if self.client else "",
            node=node,
            gpus=self.slot.devices if self.slot else (),
        )

    def member(self) -> Member:
        """As reconciling sees it."""
        return Member(self.name, self.tier, self.transition, self.since_s, self.load)
