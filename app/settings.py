"""fleet.yaml: what the daemon watches, how it is run and where things listen.

Promise: a file that loads is consistent; anything else is one line that names file, line, key and what would
be right. Units stand in the names, every default is safe, and the JSON Schema is published for editors.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from app.access.settings import ApiSettings
from app.approvalsettings import ApprovalSettings
from app.costsettings import CostSettings, ScheduledReport
from app.fleetsettings import FleetSettings, LaunchSettings
from app.routersettings import RouterSettings, ServiceRouterSettings
from app.section import Section
from app.tracing import TracingSettings
from app.yamlfile import load_yaml
from autoscaler.allocation import Market
from autoscaler.policy import Policy
from autoscaler.sharing.grants import Limits
from autoscaler.sharing.rack import RackPolicy
from runtime.pool import LeadTime, Pool, StepTime
from runtime.rack import Rack
from runtime.replica import Tier


class ConsoleSettings(Section):
    """Where the console listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless changed.")
    port: int = Field(8501, ge=1, le=65535, description="TCP port.")


class StoreSettings(Section):
    """Where history, decisions and policies are kept."""

    url: str = Field("sqlite:///leadtime.db", description="SQLAlchemy URL: sqlite:///FILE or postgresql+psycopg://…")


class SourceSettings(Section):
    """How observations are read."""

    kind: Literal["direct", "prometheus"] = Field("direct", description="Scrape the engines, or ask Prometheus.")
    url: str | None = Field(None, description="Address of Prometheus, for kind prometheus.")
    interval_s: float = Field(15.0, ge=1, le=300, description="Time between two ticks, seconds.")
    gateway_url: str | None = Field(None, description="Metrics page of the router; the fleet's own if absent.")
    timeout_s: float = Field(4.0, gt=0, le=60, description="Deadline of one scrape, seconds of real time.")
    concurrency: int = Field(32, ge=1, le=512, description="Most scrapes in flight at once.")

    @model_validator(mode="after")
    def addressed(self) -> SourceSettings:
        """Prometheus needs an address."""
        if self.kind == "prometheus" and not self.url:
            raise ValueError("kind is prometheus but url is missing; give url: http://HOST:9090")
        return self


class StepSettings(Section):
    """The step-time law of a pool, milliseconds."""

    a_ms: float = Field(gt=0, description="Fixed time of an iteration, milliseconds")
    b_ms_per_seq: float = Field(ge=0, description="Time per decoding sequence, milliseconds")
    k_ms_per_1k_kv_tokens: float = Field(ge=0, description="Time per 1,000 KV tokens read, milliseconds")
    p_ms_per_1k_prefill_tokens: float = Field(ge=0, description="Time per 1,000 prefill tokens, milliseconds")


class LeadTimeSettings(Section):
    """How long a replica takes from one tier to serving; the prior until it is measured."""

    p50_s: float = Field(ge=0, description="Median, seconds")
    p90_s: float = Field(ge=0, description="90th percentile, seconds")

    @model_validator(mode="after")
    def ordered(self) -> LeadTimeSettings:
        """The median is not above the 90th percentile."""
        if self.p50_s > self.p90_s:
            raise ValueError(f"p50_s {self.p50_s:g} is greater than p90_s {self.p90_s:g}; give a smaller p50_s")
        return self


class PoolSettings(Section):
    """One way to run a service."""

    name: str = Field(min_length=1, description="Name of the pool.")
    engine: str = Field("vllm", description="Serving engine, which names the metrics.")
    gpu: str = Field(min_length=1, description="GPU type, such as H100.")
    gpus_per_replica: int = Field(1, ge=1, le=64, description="GPUs that one replica occupies.")
    price_usd_per_gpu_hour: float = Field(ge=0, description="Price of one GPU, US dollars per hour.")
    step: StepSettings = Field(description="the step-time law: a_ms, b_ms_per_seq and so on")
    kv_blocks: int = Field(ge=1, description="KV blocks of one replica.")
    block_tokens: int = Field(16, ge=1, le=1024, description="Tokens in one KV block.")
    max_num_seqs: int = Field(256, ge=1, description="Most sequences in one iteration.")
    max_batched_tokens: int = Field(2048, ge=1, description="Most tokens in one iteration.")
    max_model_tokens: int = Field(131072, ge=1, description="Longest context, tokens.")
    lead_times: dict[Tier, LeadTimeSettings] = Field(
        min_length=1, description="time from each tier to active: {cold: {p50_s: …, p90_s: …}}"
    )
    holding_share: dict[Tier, float] = Field(
        default_factory=dict, description="Part of the price a replica of a tier is charged; 1 unless shared."
    )
    spot: bool = Field(False, description="The provider may take these GPUs back at a moment's notice.")
    launch: LaunchSettings | None = Field(None, description="How an agent starts its engine; for fleet kind local.")

    def pool(self, service: str) -> Pool:
        """The value that sizing, cost and the simulator work on."""
        plain = self.model_dump(exclude={"step", "lead_times", "launch"})
        lead_times = {tier: LeadTime(time.p50_s, time.p90_s) for tier, time in self.lead_times.items()}
        return Pool(service=service, step=StepTime(**self.step.model_dump()), lead_times=lead_times, **plain)


class ServiceSettings(Section):
    """A model served under one name and one SLO."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the service.")
    policy: Policy = Field(Policy(), description="The first version of its policy; later ones live in the store.")
    pools: list[PoolSettings] = Field(
        min_length=1, description="a list of pools; load and replicas are counted in those of the first"
    )
    rack: str | None = Field(None, description="Name of the rack on whose GPUs it sleeps, with others.")
    router: ServiceRouterSettings = Field(ServiceRouterSettings(), description="how its requests are routed")

    @model_validator(mode="after")
    def routable(self) -> ServiceSettings:
        """Its routing names pools that it has."""
        names = [pool.name for pool in self.pools]
        if unknown := sorted(set(self.router.pool_names()) - set(names)):
            raise ValueError(f"router: no pool {unknown[0]!r}; there are {', '.join(names)}")
        self.router.bandit.spec().check(names)
        return self

    @property
    def pool(self) -> Pool:
        """Its first pool."""
        return self.pools[0].pool(self.name)

    @property
    def more_pools(self) -> tuple[Pool, ...]:
        """Its other pools."""
        return tuple(pool.pool(self.name) for pool in self.pools[1:])


class RackSettings(Section):
    """GPUs that several services share: each sleeps on all of them until it is needed."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the rack.")
    gpu: str = Field(min_length=1, description="GPU type, such as H100; that of every pool in it.")
    price_usd_per_gpu_hour: float = Field(ge=0, description="Price of one GPU, US dollars per hour.")
    gpus: int = Field(ge=0, description="GPUs that it holds at the start.")
    max_gpus: int = Field(ge=1, le=100_000, description="Never hold more GPUs than this.")
    lead_time: LeadTimeSettings = Field(description="time until more GPUs are there: {p50_s: …, p90_s: …}")
    lent_share: float = Field(
        1.0, ge=0, le=1, description="Part of the price still paid for a GPU that nobody is awake on; 1 unless lent."
    )
    gpus_per_node: int = Field(8, ge=1, le=1024, description="GPUs of a node; a replica lies within one.")
    policy: RackPolicy = RackPolicy()

    @model_validator(mode="after")
    def possible(self) -> RackSettings:
        """What is asked for is within the bounds."""
        self.rack()
        if self.policy.min_gpus > self.max_gpus:
            raise ValueError(f"policy.min_gpus {self.policy.min_gpus} is greater than max_gpus {self.max_gpus}")
        return self

    def rack(self) -> Rack:
        """The value that decisions and the simulator work on."""
        plain = self.model_dump(exclude={"lead_time", "policy"})
        return Rack(lead_time=LeadTime(self.lead_time.p50_s, self.lead_time.p90_s), **plain)

    def misfits(self, service: ServiceSettings) -> Iterator[str]:
        """Why a service cannot sleep here, each with what would be right."""
        pool = service.pools[0]
        if len(service.pools) > 1:
            yield f"has {len(service.pools)} pools; in a rack give one"
        if Tier.ASLEEP not in pool.lead_times:
            yield "lead_times has no asleep, which is how it starts in a rack; give asleep: {p50_s: …, p90_s: …}"
        if slower := [tier.value for tier in (Tier.WARM_NODE, Tier.COLD) if tier in pool.lead_times]:
            yield f"lead_times has {', '.join(slower)}, but in a rack every start is a wake; give asleep instead"
        if pool.gpu != self.gpu:
            yield f"gpu {pool.gpu} is not what the rack holds; give {self.gpu}"
        if pool.price_usd_per_gpu_hour != self.price_usd_per_gpu_hour:
            yield (
                f"price_usd_per_gpu_hour {pool.price_usd_per_gpu_hour:g} is not the rack's; "
                f"give {self.price_usd_per_gpu_hour:g}"
            )
        if pool.gpus_per_replica > self.gpus_per_node:
            yield f"gpus_per_replica {pool.gpus_per_replica} does not fit a node; give at most {self.gpus_per_node}"
        if pool.spot:
            yield "spot is true, but a rack's GPUs are kept for good; remove it or the rack"
        if pool.holding_share:
            yield "holding_share is for GPUs of its own; remove it and give the rack a lent_share"


class StockSettings(Section):
    """The nodes of one GPU type."""

    nodes: int = Field(ge=0, le=100_000, description="Nodes that may be used.")
    gpus_per_node: int = Field(8, ge=1, le=1024, description="GPUs of a node; a replica lies within one.")


class SliceSettings(Section):
    """A GPU type that is a part of another one, as MIG cuts them."""

    gpu: str = Field(min_length=1, description="GPU type that it is cut from.")
    share: str = Field(pattern=r"^[1-9]\d?/[1-9]\d?$", description="Part of that GPU, such as 1/7.")

    @model_validator(mode="after")
    def part(self) -> SliceSettings:
        """A slice is no more than the whole."""
        if Fraction(self.share) > 1:
            raise ValueError(f"share {self.share} is more than a whole GPU; give at most 1/1")
        return self


class MarketSettings(Section):
    """What there is for all services together; what is not named is not limited."""

    gpus: dict[str, StockSettings] = Field(default_factory=dict, description="nodes by GPU type")
    slices: dict[str, SliceSettings] = Field(default_factory=dict, description="GPU types that are parts of others")
    budget_usd_per_hour: float | None = Field(
        None, gt=0, description="Cap on what all replicas of all services may cost, US dollars per hour."
    )

    def limits(self) -> Limits:
        """The value that services' grants are worked out from."""
        domains = {gpu: ((stock.gpus_per_node, stock.nodes),) for gpu, stock in self.gpus.items()}
        slices = {name: (cut.gpu, Fraction(cut.share)) for name, cut in self.slices.items()}
        return Limits(Market(domains, self.budget_usd_per_hour), slices)


class Settings(Section):
    """The whole file."""

    api: ApiSettings = ApiSettings()
    console: ConsoleSettings = ConsoleSettings()
    store: StoreSettings = StoreSettings()
    source: SourceSettings = SourceSettings()
    fleet: FleetSettings = FleetSettings()
    router: RouterSettings = RouterSettings()
    market: MarketSettings = MarketSettings()
    approval: ApprovalSettings = ApprovalSettings()
    cost: CostSettings = CostSettings()
    reports: list[ScheduledReport] = Field(default_factory=list, description="reports that are sent by themselves")
    racks: list[RackSettings] = Field(default_factory=list, description="a list of racks that services share")
    tracing: TracingSettings = TracingSettings()
    services: list[ServiceSettings] = Field(min_length=1, description="a list of services, each with name and pools")

    @model_validator(mode="after")
    def distinct(self) -> Settings:
        """Services, pools and racks are told apart by name."""
        racks = [rack.name for rack in self.racks]
        for what, names in (("service", self.service_names()), ("pool", self.pool_names()), ("rack", racks)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} name {twice[0]!r} is used twice; give each {what} its own name")
        return self

    @model_validator(mode="after")
    def shared(self) -> Settings:
        """Racks hold what their services need, and none is without any."""
        racks = {rack.name: rack for rack in self.racks}
        for service in self.services:
            if service.rack is None:
                continue
            if service.rack not in racks:
                known = ", ".join(racks) or "none"
                raise ValueError(f"service {service.name}: no rack {service.rack!r}; known: {known}")
            for wrong in racks[service.rack].misfits(service):
                pool = service.pools[0].name
                raise ValueError(f"service {service.name} in rack {service.rack}: pool {pool}: {wrong}")
        for name in racks:
            if not self.services_in(name):
                raise ValueError(f"rack {name}: no service sleeps in it; give one rack: {name} or remove the rack")
        return self

    def services_in(self, rack: str) -> list[str]:
        """Names of the services that sleep in a rack, in the order of the file."""
        return [service.name for service in self.services if service.rack == rack]

    def service_names(self) -> list[str]:
        """Names in the order of the file."""
        return [service.name for service in self.services]

    def pool_names(self) -> list[str]:
        """Names of all pools in the order of the file."""
        return [pool.name for service in self.services for pool in service.pools]


def load(path: Path) -> Settings:
    """Read ``fleet.yaml``; raises ``UserError`` with one line for anything that is wrong in it."""
    return load_yaml(path, Settings)
