"""What the daemon remembers of the last tick: written by the loop, read by the API.

Everything that must survive a restart is in the store; this is the part that may be lost. The loop replaces
whole values, so a reader in the same event loop never sees half a tick.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from autoscaler.canary.watch import Watch
from autoscaler.decision import ControlState, Decision
from autoscaler.policy import Policy
from autoscaler.shadow.run import Shadow
from autoscaler.sharing.controller import ConsideredRack, RackMind
from autoscaler.sharing.rack import RackPolicy, RackState
from autoscaler.tuning.tuner import Tuner
from collectors.observation import Gap, GpuSample, GpuUse, Observation, ReplicaSample
from forecasting.forecast import Forecast
from runtime.agent.client import Standing
from runtime.fleet import RackView
from runtime.pool import Pool
from runtime.rack import Rack
from runtime.replica import Replica, Tier

SPARK_POINTS = 60
"""Points of a sparkline: a quarter of an hour at the default interval."""


@dataclass(slots=True)
class Tally:
    """Counts for ``/metrics`` that only grow."""

    ticks: int = 0
    failed_ticks: int = 0
    overruns: int = 0
    decisions: dict[tuple[str, str, str], int] = field(default_factory=dict)
    cost_usd: dict[str, float] = field(default_factory=dict)
    last_tick_cpu_s: float = 0.0
    fits: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class ServiceMemory:
    """One service at the last tick. ``signals`` is what went to the history; ``None`` values are gaps.

    ``given`` is the state that ``decision`` was made from, ``seen`` the observations of the last while, newest last;
    ``shadow`` and ``watch`` are the service's candidate and its policy on watch, running or over.
    """

    pool: Pool
    control: ControlState
    policy: Policy
    policy_version: int
    observation: Observation | None = None
    forecast: Forecast | None = None
    decision: Decision | None = None
    given: ControlState | None = None
    replicas: tuple[Replica, ...] = ()
    samples: Mapping[str, ReplicaSample] = field(default_factory=dict)
    signals: Mapping[str, float | None] = field(default_factory=dict)
    measured: Mapping[Tier, int] = field(default_factory=dict)
    """How many measurements each lead time rests on."""
    last_valid_s: float | None = None
    fitted_at_s: float | None = None
    fit_trouble: str | None = None
    tuner: Tuner = field(init=False)
    tuning_trouble: str | None = None
    recent: dict[str, deque[float | None]] = field(default_factory=dict)
    seen: deque[Observation] = field(default_factory=deque)
    shadow: Shadow | None = None
    watch: Watch | None = None

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Every way to run it, its first pool first."""
        return (self.pool, *(branch.pool for branch in self.control.more))

    def __post_init__(self) -> None:
        self.tuner = Tuner(self.pool)

    @property
    def in_effect(self) -> Policy:
        """The policy that decisions are made by: the operator's, with what was tuned laid over it if that may act."""
        return self.tuner.effective(self.policy)

    def remember(self, signals: Mapping[str, float | None]) -> None:
        """Take the tick's signals and lengthen the sparklines by them."""
        self.signals = signals
        extend(self.recent, signals)


@dataclass(slots=True)
class RackMemory:
    """One rack at the last tick: ``told`` is what the fleet said of it, ``state`` what the last decision left.

    The fleet may be ``missing`` it: what the file names need not be there.
    """

    rack: Rack
    policy: RackPolicy
    services: tuple[str, ...]
    state: RackState | None
    started_at_s: float
    mind: RackMind = field(default_factory=RackMind)
    told: RackView | None = None
    missing: bool = False
    considered: ConsideredRack | None = None

    @property
    def idle_usd_per_hour(self) -> float | None:
        """What GPUs that nobody is awake on still cost; they are no service's. None until the fleet has told."""
        usd = self.rack.price_usd_per_gpu_hour * self.rack.lent_share
        return None if self.told is None else self.told.lent * usd


@dataclass(slots=True)
class Memory:
    """All services and the fleet at the last tick; ``trouble`` is the last failed tick's one line, ``agents`` tells how
    each agent was found, ``certificate_ends_s`` until when the API's certificate is valid, where it has one.

    ``now_s`` is the time as the clock told it last, when the machine's monotonic clock said ``told_at_monotonic_s``.
    ``called`` is set by who cannot wait for the next tick.
    """

    services: dict[str, ServiceMemory] = field(default_factory=dict)
    racks: dict[str, RackMemory] = field(default_factory=dict)
    speed: float = 1.0
    interval_s: float = 15.0
    now_s: float = 0.0
    told_at_monotonic_s: float | None = None
    ticked_at_s: float | None = None
    gpus: GpuUse | None = None
    gpu_samples: tuple[GpuSample, ...] = ()
    nodes: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    agents: Mapping[str, Standing] = field(default_factory=dict)
    certificate_ends_s: Callable[[], float] | None = None
    trouble: str | None = None
    tally: Tally = field(default_factory=Tally)
    recent: dict[str, deque[float | None]] = field(default_factory=dict)
    called: asyncio.Event = field(default_factory=asyncio.Event)


def clock(memory: Memory, monotonic_s: float) -> float:
    """The time between ticks, so that data ages even while the clock cannot be read.

    A fast clock stands still at the next tick until that is done, so past one interval only real time is added.
    """
    if memory.told_at_monotonic_s is None:
        return memory.now_s
    elapsed_s = monotonic_s - memory.told_at_monotonic_s
    late_s = max(0.0, elapsed_s - memory.interval_s / memory.speed)
    return memory.now_s + min(memory.speed * elapsed_s, memory.interval_s) + late_s


def extend(recent: dict[str, deque[float | None]], signals: Mapping[str, float | None]) -> None:
    """Append one point per signal, keeping the newest ``SPARK_POINTS``."""
    for name, value in signals.items():
        recent.setdefault(name, deque(maxlen=SPARK_POINTS)).append(value)


def spark(recent: Mapping[str, Iterable[float | None]], name: str) -> list[float | None]:
    """The sparkline of a signal, oldest first; empty where nothing has been seen."""
    return list(recent.get(name, ()))


def known_mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is known, None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
