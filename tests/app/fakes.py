"""A fleet, its engines and its clock in memory: the protocols themselves, small enough to see through.

Replicas appear at the next look after ``apply``; every active one serves its share of ``rps`` requests per second, of
1,000 tokens in and 200 out. ``down`` makes the fleet, and ``blind`` the source, stop answering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.daemon.loop import told
from app.daemon.parts import Configured, Daemon
from app.daemon.start import reapply, remember_load, restore
from autoscaler.policy import Policy
from autoscaler.store.ledger import SqlLedger
from autoscaler.store.models import ModelStore
from autoscaler.store.overrides import OverrideStore
from autoscaler.store.policies import PolicyStore
from autoscaler.store.rack_ledger import RackLedger
from autoscaler.store.trials import Trials
from autoscaler.tuning.store import TuningStore
from collectors.history import History
from collectors.observation import Gap, GpuSample, Histogram, ReplicaSample, Scrape
from collectors.source import Target
from collectors.store import open_store
from runtime.agent.client import Standing
from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Replica, Tier

START_S = 1_800_000_000.0
INTERVAL_S = 15.0

POOL = Pool(
    name="chat-h100",
    service="chat",
    engine="vllm",
    gpu="H100",
    gpus_per_replica=1,
    price_usd_per_gpu_hour=2.0,
    step=StepTime(10.0, 0.05, 0.05, 60.0),
    kv_blocks=20_000,
    lead_times={Tier.STANDBY: LeadTime(0.2, 0.5), Tier.COLD: LeadTime(60.0, 120.0)},
)

AUTO = Policy.model_validate({"mode": "auto", "replicas": {"min": 1, "max": 8}})


@dataclass
class FakeFleet:
    """Does what it is told at once; ``applied`` are the ids in order."""

    url: str = "http://fleet"
    target: PoolTarget = field(default_factory=lambda: PoolTarget("chat", "chat-h100", 1))
    applied: list[str] = field(default_factory=list)
    down: bool = False
    deaf: bool = False
    measured: tuple[LeadTimeSample, ...] = ()
    history: dict[str, list[list[float]]] = field(default_factory=dict)
    shared: dict[str, RackView] = field(default_factory=dict)
    agents: dict[str, Standing] = field(default_factory=dict)

    async def replicas(self) -> tuple[Replica, ...]:
        self._answer()
        tiers = [Tier.ACTIVE] * self.target.active + [Tier.STANDBY] * self.target.standby
        return tuple(replica(index, tier) for index, tier in enumerate(tiers))

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        self._answer()
        if self.deaf:
            raise httpx.ConnectError("gone in the middle")
        (self.target,) = targets
        self.applied.append(decision_id)

    async def racks(self) -> tuple[RackView, ...]:
        self._answer()
        return tuple(self.shared.values())

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        self._answer()
        for target in targets:
            used = self.shared[target.rack].used
            self.shared[target.rack] = RackView(target.rack, target.gpus, max(target.gpus, used), 0, used)
        self.applied.append(decision_id)

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        self._answer()
        return self.measured

    async def nodes(self) -> tuple[str, ...]:
        self._answer()
        return ("node-0",)

    async def past(self) -> dict[str, list[list[float]]]:
        self._answer()
        return self.history

    def standings(self) -> dict[str, Standing]:
        return self.agents

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.down:
            raise httpx.ConnectError("connection refused")


def replica(index: int, tier: Tier) -> Replica:
    name = f"chat-{index}"
    return Replica(name, "chat", "chat-h100", tier, None, START_S, f"http://{name}", "node-0", (f"GPU-{index}",))


@dataclass
class FakeSource:
    """Engines whose counters follow the rate; each active replica takes an equal share."""

    rps: float = 2.0
    ttft_s: float = 0.3
    blind: bool = False
    served: dict[str, float] = field(default_factory=dict)
    last_s: float | None = None

    async def scrape(self, targets: Sequence[Target], at_s: float) -> Scrape:
        engines = [target.name for target in targets if target.kind == "engine"]
        passed_s, self.last_s = at_s - (at_s if self.last_s is None else self.last_s), at_s
        for name in engines:
            self.served[name] = self.served.get(name, 0.0) + self.rps * passed_s / len(engines)
        if self.blind:
            return Scrape(at_s, {}, gaps=tuple(Gap(name, "no answer within 4 s") for name in engines))
        gpus = tuple(gpu(index, at_s) for index in range(4))
        return Scrape(at_s, {name: self._sample(name, at_s) for name in engines}, gpus)

    def _sample(self, name: str, at_s: float) -> ReplicaSample:
        n = self.served[name]
        return ReplicaSample(
            name,
            at_s,
            running=1.0,
            waiting=0.0,
            kv_usage_ratio=0.25,
            sleeping=False,
            input_tokens=1000 * n,
            cached_tokens=0.0,
            output_tokens=200 * n,
            completed=n,
            aborted=0.0,
            preemptions=0.0,
            rejected=0.0,
            ttft=histogram(n, self.ttft_s),
            tpot=histogram(n, 0.02),
            output_lengths=histogram(n, 200.0),
        )

    async def close(self) -> None:
        pass


def histogram(count: float, value: float) -> Histogram:
    bounds = (0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 256.0, float("inf"))
    return Histogram(bounds, tuple(count if value <= bound else 0.0 for bound in bounds), count * value)


def gpu(index: int, at_s: float) -> GpuSample:
    return GpuSample(f"GPU-{index}", "node-0", at_s, util_ratio=0.5 if index == 0 else 0.0)


@dataclass
class FakeClock:
    """Time that jumps to where it is awaited."""

    now_s: float = START_S
    late_s: float = 0.0
    end_s: float = float("inf")

    async def now(self) -> float:
        return self.now_s

    async def sleep_until(self, at_s: float) -> float:
        self.now_s = min(self.end_s, max(self.now_s, at_s) + self.late_s)
        return self.now_s

    async def speed(self) -> float:
        return 1.0

    async def close(self) -> None:
        pass


def daemon_on(folder: Path, **parts: Any) -> Daemon:
    """A daemon of these parts that keeps everything in a store in the folder."""
    engine = open_store(f"sqlite:///{folder / 'leadtime.db'}")
    return Daemon(
        history=History(engine),
        ledger=SqlLedger(engine),
        rack_ledger=RackLedger(engine),
        policies=PolicyStore(engine),
        overrides=OverrideStore(engine),
        models=ModelStore(engine),
        tunings=TuningStore(engine),
        trials=Trials(engine),
        **parts,
    )


@dataclass
class World:
    """A daemon over fakes and a store of its own; ``again`` is the same world with a new process."""

    path: Path
    policy: Policy = AUTO
    fleet: FakeFleet = field(default_factory=FakeFleet)
    source: FakeSource = field(default_factory=FakeSource)
    clock: FakeClock = field(default_factory=FakeClock)

    async def start(self) -> Daemon:
        daemon = daemon_on(
            self.path,
            fleet=self.fleet,
            source=self.source,
            clock=self.clock,
            configured=(Configured(POOL, self.policy),),
            interval_s=INTERVAL_S,
        )
        now_s = told(daemon, self.clock.now_s)
        restore(daemon, now_s)
        await reapply(daemon, now_s)
        await remember_load(daemon, now_s)
        return daemon
