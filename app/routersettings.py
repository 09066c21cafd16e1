"""The router's part of ``fleet.yaml``: its own section, and what a service says for itself.

Promise: what loads can be routed; a policy, header or pool that there is not is one line.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.section import Section
from runtime.router.bandit import Arm, BanditSpec, Reward

RouterPolicy = Literal[
    "least-requests",
    "round-robin",
    "random",
    "power-of-two",
    "least-tokens",
    "weighted",
    "session-affinity",
    "prefix-affinity",
    "lmetric",
    "sal",
    "bandit",
]


class QuotaSettings(Section):
    """What one tenant may use; what is not named is not limited."""

    weight: float = Field(1.0, gt=0, le=1000, description="Part of the line of held requests beside other tenants.")
    requests_per_s: float | None = Field(None, gt=0, description="Most requests per second; one second's may burst.")
    tokens_per_min: float | None = Field(None, gt=0, description="Most tokens per minute; one minute's may burst.")
    in_flight: int | None = Field(None, ge=1, description="Most requests at once, held ones among them.")


class TenantsSettings(Section):
    """Who sends, and what each may use."""

    header: str = Field(
        "x-tenant-id", pattern=r"^[a-z0-9-]+$", description="Header that names the tenant; else a hash of the API key."
    )
    named: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], QuotaSettings] = Field(
        default_factory=dict, max_length=1000, description="quotas by tenant; these have metrics of their own"
    )
    default: QuotaSettings = Field(QuotaSettings(), description="the quota of each tenant that is not named")


class ClassSettings(Section):
    """A class of a service's requests."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name that requests give in the header.")
    share: float = Field(1.0, gt=0, le=1, description="Part of each replica's in_flight that it may fill.")
    ttft_s: float | None = Field(None, gt=0, description="Its TTFT target, seconds; the service's if absent.")
    tpot_s: float | None = Field(None, gt=0, description="Its TPOT target, seconds; the service's if absent.")


class RouterSettings(Section):
    """The gateway in front of the replicas: ``leadtime router``."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless changed.")
    port: int = Field(8700, ge=1, le=65535, description="TCP port.")
    policy: RouterPolicy = Field("sal", description="Which replica a request goes to, unless its service says.")
    poll_s: float = Field(0.5, ge=0.05, le=60, description="Time between two looks at the fleet's replicas, seconds.")
    body_bytes: int = Field(8 * 2**20, ge=1024, le=2**30, description="Largest body of a request, bytes.")
    held: int = Field(1000, ge=0, le=100_000, description="Most requests of a service that wait for a replica.")
    hold_s: float = Field(120.0, gt=0, le=3600, description="Longest wait for a replica, seconds.")
    in_flight: int = Field(512, ge=1, le=100_000, description="Most requests sent to one replica at once.")
    connect_s: float = Field(2.0, gt=0, le=60, description="Deadline of a connection to a replica, seconds.")
    read_s: float = Field(300.0, gt=0, le=3600, description="Longest silence of a replica, seconds.")
    write_s: float = Field(60.0, gt=0, le=3600, description="Longest time a client may take for a piece, seconds.")
    continue_streams: int = Field(1, ge=0, le=3, description="Times that a stream may go on at another replica.")
    tenants: TenantsSettings = TenantsSettings()
    class_header: str = Field("x-slo-class", pattern=r"^[a-z0-9-]+$", description="Header that names the class.")
    wake_url: str | None = Field(None, description="Told by POST while requests wait for a first replica.")


class BanditSettings(Section):
    """What the policy bandit chooses among, and by what."""

    arms: list[str] = Field(
        ["sal", "lmetric", "prefix-affinity"], min_length=1, description="policies; sal@POOL is sal within one pool"
    )
    reward: Literal["latency", "cost", "energy"] = Field("latency", description="What is to be little.")
    memory_requests: float = Field(500.0, ge=10, le=1e6, description="Requests until a loss counts for a third.")
    late_factor: float = Field(3.0, ge=1, le=1000, description="What a late request counts, in cost or energy.")
    joules_per_token: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="energy by pool, joules per token; for reward energy"
    )

    @model_validator(mode="after")
    def known(self) -> BanditSettings:
        """Arms are policies."""
        self.spec()
        return self

    def spec(self) -> BanditSpec:
        """The value that the router works on."""
        given = self.model_dump(exclude={"arms", "reward"})
        return BanditSpec(tuple(Arm.read(arm) for arm in self.arms), Reward(self.reward), **given)


class ServiceRouterSettings(Section):
    """What a service says of its own routing."""

    policy: RouterPolicy | None = Field(None, description="Which replica a request goes to; the router's if absent.")
    classes: list[ClassSettings] = Field(
        default_factory=list, description="classes of requests, most urgent first; a request that names none is of it"
    )

    up_to_tokens: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="largest token budget, prompt and max_tokens, by pool; others take any"
    )
    bandit: BanditSettings = BanditSettings()

    @model_validator(mode="after")
    def distinct(self) -> ServiceRouterSettings:
        """Classes are told apart by name."""
        names = [each.name for each in self.classes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"class name {twice[0]!r} is used twice; give each class its own name")
        return self

    def pool_names(self) -> list[str]:
        """Pools that it speaks of."""
        return list(self.up_to_tokens)
