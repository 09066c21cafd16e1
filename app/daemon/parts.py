"""What the loop is made of: the fleet, the source, the clock, the store, and what it carries from tick to tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.access.tokens import TokenStore
from app.daemon.fitting import Fitting
from app.daemon.leading import Alone, Leader
from app.daemon.memory import Memory
from app.daemon.tuning import Searching
from app.kubernetes.policies import PolicyResources
from autoscaler.controller import Mind
from autoscaler.cost.store import CostStore
from autoscaler.policy import Policy
from autoscaler.sharing.grants import Limits
from autoscaler.sharing.rack import RackPolicy
from autoscaler.store.audit import AuditLog
from autoscaler.store.ledger import SqlLedger
from autoscaler.store.models import ModelStore
from autoscaler.store.overrides import OverrideStore
from autoscaler.store.policies import PolicyStore
from autoscaler.store.proposals import Approvals
from autoscaler.store.rack_ledger import RackLedger
from autoscaler.store.trials import Trials
from autoscaler.tuning.store import TuningStore
from collectors.history import History
from collectors.observation import Scrape
from collectors.source import Source
from runtime.agent.client import Standing
from runtime.clock import Clock
from runtime.fleet import Fleet, LeadTimeSample
from runtime.pool import Pool
from runtime.rack import Rack
from runtime.replica import Replica


class HttpFleet(Fleet, Protocol):
    """A fleet behind an address, with nodes to scrape and maybe a past. Raises httpx.HTTPError when out of reach."""

    @property
    def url(self) -> str:
        """Address under which nodes and gateway show their metrics."""
        ...

    async def nodes(self) -> tuple[str, ...]:
        """Names of the nodes."""
        ...

    async def past(self) -> dict[str, list[list[float]]]:
        """What was before the start, per service and minute: [at_s, arrivals_per_s, mean input, mean output tokens]."""
        ...

    def standings(self) -> Mapping[str, Standing]:
        """How each agent was found at the last look, by its name; none where there are none."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class PacedClock(Clock, Protocol):
    """A clock that may run faster than the wall's."""

    async def speed(self) -> float:
        """Times real speed."""
        ...

    async def close(self) -> None:
        """Hold nobody up any longer, and release connections."""
        ...


@dataclass(frozen=True, slots=True)
class Configured:
    """A service as the fleet file has it; ``policy`` is only its first version."""

    pool: Pool
    policy: Policy
    more_pools: tuple[Pool, ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """A rack as the fleet file has it, with the names of the services that sleep there."""

    rack: Rack
    policy: RackPolicy
    services: tuple[str, ...]


@dataclass(slots=True)
class Daemon:
    """Everything a tick needs; ``replicas``, ``lead_times`` and ``nodes`` are what the fleet said last.

    ``acting`` says that it leads and has taken over from whoever led before.
    """

    fleet: HttpFleet
    source: Source
    clock: PacedClock
    history: History
    ledger: SqlLedger
    rack_ledger: RackLedger
    policies: PolicyStore
    overrides: OverrideStore
    models: ModelStore
    tunings: TuningStore
    trials: Trials
    configured: tuple[Configured, ...]
    interval_s: float
    shared: tuple[Shared, ...] = ()
    limits: Limits = field(default_factory=Limits)
    gateway_url: str | None = None
    leader: Leader = field(default_factory=Alone)
    acting: bool = True
    resources: PolicyResources | None = None
    costs: CostStore | None = None
    tokens: TokenStore | None = None
    approvals: Approvals = field(default_factory=Approvals)
    audit: AuditLog | None = None
    memory: Memory = field(default_factory=Memory)
    minds: dict[str, Mind] = field(default_factory=dict)
    fitting: Fitting = field(default_factory=Fitting)
    searching: Searching = field(default_factory=Searching)
    previous: Scrape | None = None
    replicas: tuple[Replica, ...] = ()
    lead_times: tuple[LeadTimeSample, ...] = ()
    nodes: tuple[str, ...] = ()
