"""A fleet in memory that moves replicas at once, to be served by an agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.replica import Replica, Tier


@dataclass(frozen=True, slots=True)
class Happened:
    at_s: float
    replica: str
    what: str
    why: str


@dataclass(slots=True)
class Instant:
    """Does what it is told at once, up to ``room`` replicas; ``running`` while it is started."""

    pools: tuple[str, ...] = ("chat-pool",)
    room: int = 8
    host: str = "127.0.0.1:9000"
    running: bool = False
    expires_s: float | None = None
    targets: dict[str, PoolTarget] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    async def start(self) -> None:
        self.running = True

    async def close(self, *, stop: bool = True) -> None:
        self.running = not stop

    async def replicas(self) -> tuple[Replica, ...]:
        tiers = {Tier.ACTIVE: "active", Tier.STANDBY: "standby", Tier.ASLEEP: "asleep", Tier.WARM_NODE: "warm_node"}
        made = [
            (t, tier) for t in self.targets.values() for tier, name in tiers.items() for _ in range(getattr(t, name))
        ]
        return tuple(
            Replica(
                f"r{i}", target.service, target.pool, tier, None, 5.0, f"http://{self.host}/r{i}", "here", (f"gpu{i}",)
            )
            for i, (target, tier) in enumerate(made[: self.room])
        )

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        for target in targets:
            if target.pool not in self.pools:
                raise KeyError(f"no pool {target.pool}; there is {', '.join(self.pools)}")
            if target.asleep:
                raise ValueError(f"pool {target.pool}: asleep {target.asleep}, but its engine cannot sleep; give 0")
        self.targets |= {target.pool: target for target in targets}
        self.told.append(decision_id)

    async def racks(self) -> tuple[RackView, ...]:
        return ()

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        raise KeyError(f"no rack {targets[0].rack}; there is none")

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        return (LeadTimeSample("chat-pool", Tier.COLD, 21.5, 7.0),)

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def rooms(self) -> dict[str, int]:
        return dict.fromkeys(self.pools, self.room)

    def events(self) -> tuple[Happened, ...]:
        return (Happened(6.0, "r0", "crashed", "exit code -9"),)

    def counts(self) -> dict[tuple[str, str], int]:
        return {("chat-pool", "crashed"): 1}
