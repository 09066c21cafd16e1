"""fleet.yaml: what the daemon watches, how it is run and where things listen.

Promise: a file that loads is consistent; anything else is one line that names file, line, key and what would
be right. Units stand in the names, every default is safe, and the JSON Schema is published for editors.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.yamlfile import load_yaml
from autoscaler.allocation import Market
from autoscaler.grants import Limits
from autoscaler.policy import Policy
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Tier


class Section(BaseModel):
    """Base of the file's parts: immutable, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSettings(Section):
    """Where the daemon's HTTP API listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless changed.")
    port: int = Field(8800, ge=1, le=65535, description="TCP port.")


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
    timeout_s: float = Field(4.0, gt=0, le=60, description="Deadline of one scrape, seconds of real time.")
    concurrency: int = Field(32, ge=1, le=512, description="Most scrapes in flight at once.")

    @model_validator(mode="after")
    def addressed(self) -> SourceSettings:
        """Prometheus needs an address."""
        if self.kind == "prometheus" and not self.url:
            raise ValueError("kind is prometheus but url is missing; give url: http://HOST:9090")
        return self


class FleetSettings(Section):
    """What moves the replicas."""

    kind: Literal["simulated"] = Field("simulated", description="Kind of fleet.")
    url: str = Field("http://127.0.0.1:8900", description="Address of the fleet.")


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

    def pool(self, service: str) -> Pool:
        """The value that sizing, cost and the simulator work on."""
        plain = self.model_dump(exclude={"step", "lead_times"})
        lead_times = {tier: LeadTime(time.p50_s, time.p90_s) for tier, time in self.lead_times.items()}
        return Pool(service=service, step=StepTime(**self.step.model_dump()), lead_times=lead_times, **plain)


class ServiceSettings(Section):
    """A model served under one name and one SLO."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the service.")
    policy: Policy = Field(Policy(), description="The first version of its policy; later ones live in the store.")
    pools: list[PoolSettings] = Field(
        min_length=1, description="a list of pools; load and replicas are counted in those of the first"
    )

    @property
    def pool(self) -> Pool:
        """Its first pool."""
        return self.pools[0].pool(self.name)

    @property
    def more_pools(self) -> tuple[Pool, ...]:
        """Its other pools."""
        return tuple(pool.pool(self.name) for pool in self.pools[1:])


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
    market: MarketSettings = MarketSettings()
    services: list[ServiceSettings] = Field(min_length=1, description="a list of services, each with name and pools")

    @model_validator(mode="after")
    def distinct(self) -> Settings:
        """Services and pools are told apart by name."""
        for what, names in (("service", self.service_names()), ("pool", self.pool_names())):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} name {twice[0]!r} is used twice; give each {what} its own name")
        return self

    def service_names(self) -> list[str]:
        """Names in the order of the file."""
        return [service.name for service in self.services]

    def pool_names(self) -> list[str]:
        """Names of all pools in the order of the file."""
        return [pool.name for service in self.services for pool in service.pools]


def load(path: Path) -> Settings:
    """Read ``fleet.yaml``; raises ``UserError`` with one line for anything that is wrong in it."""
    return load_yaml(path, Settings)
