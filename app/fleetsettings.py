"""The fleet's part of ``fleet.yaml``: what moves the replicas, and how engines are started on a machine of one's own.

Promise: nothing listens beyond loopback without a token, and what loads can be started.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from app.kubernetes.settings import KubernetesSettings
from app.section import Section
from app.tlssettings import TlsSettings
from runtime.local.spec import Sleep

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOKEN_LEAST = 16
GIB = 1 << 30


class LaunchSettings(Section):
    """How one engine of a pool is started by an agent."""

    model: str = Field(min_length=1, description="Folder of the model, or a name that the engine knows.")
    args: list[str] = Field(
        default_factory=list, description="Further arguments of the engine, as its own CLI has them."
    )
    env: dict[str, str] = Field(default_factory=dict, description="Further environment of the engine.")
    group: str = Field("default", min_length=1, description="Slots of this group take its replicas.")
    memory_gib: float = Field(0, ge=0, description="GPU memory of an awake replica, GiB; 0 is not checked.")
    sleep: Sleep = Field(
        Sleep.NONE, description="What asleep means: level1 (weights in host memory), level2 (dropped), pause, none."
    )
    load_format: str = Field("auto", description="The engine's load format, such as runai_streamer or dummy.")


class SlotSettings(Section):
    """Devices of the agent's machine for one awake replica."""

    gpus: list[str] = Field(default_factory=list, description="GPU indices or UUIDs.")
    cores: list[str] = Field(default_factory=list, description="CPU cores, such as 0-7; any lets the engine choose.")
    group: str = Field("default", min_length=1, description="What takes replicas together.")
    memory_gib: float = Field(0, ge=0, description="Memory of these devices together, GiB; 0 is not checked.")

    @model_validator(mode="after")
    def one_kind(self) -> SlotSettings:
        """GPUs or cores."""
        if bool(self.gpus) == bool(self.cores):
            raise ValueError("give either gpus or cores, and at least one")
        return self


class LocalSettings(Section):
    """The machine that ``leadtime agent`` serves."""

    python: str = Field("python3", description="Interpreter that has vLLM; make vllm makes .venv-vllm/bin/python.")
    slots: list[SlotSettings] = Field(min_length=1, description="a list of slots: {gpus: ['0']} or {cores: ['0-7']}")
    home: Path = Field(Path(".leadtime"), description="Folder for state, logs and the compile cache.")
    ports: tuple[int, int] = Field((8910, 8999), description="First and last TCP port that engines may take.")
    node: str = Field("local", min_length=1, description="Name of this machine in replicas' names.")
    address: str = Field(
        "127.0.0.1", description="Host of this machine to routers and scrapers; beyond loopback engines listen for all."
    )
    tls: TlsSettings | None = Field(None, description="serve HTTPS with this certificate; fleet.url says https then")
    ready_within_s: float = Field(600, gt=0, description="Longest start of an engine, seconds.")
    drain_s: float = Field(60, gt=0, description="A drain that takes longer is reported, seconds.")
    drain_limit_s: float | None = Field(
        None, gt=0, description="Requests still there after so many seconds of draining are cut; never if absent."
    )
    hang_s: float = Field(60, gt=0, description="An engine without progress for so long is replaced, seconds.")
    orphan_s: float = Field(120, gt=1, description="Engines outlive a killed agent by so many seconds.")


class FleetSettings(Section):
    """What moves the replicas."""

    kind: Literal["simulated", "local", "kubernetes"] = Field(
        "simulated", description="Kind of fleet: simulated, local for engines that an agent starts, or kubernetes."
    )
    url: str = Field("http://127.0.0.1:8900", description="Address of the fleet: the simulation's or the agent's.")
    agents: dict[str, str] = Field(
        default_factory=dict, description="Addresses of agents by machine, where there are several; url is then unused."
    )
    token_file: Path | None = Field(
        None, description="File with the agents' tokens, one a line: who asks shows the first, an agent takes each."
    )
    ca_file: Path | None = Field(
        None,
        description="PEM file with the authorities of the agents' certificates; the system's if absent. With it, agent "
        "pods too are asked by HTTPS alone.",
    )
    local: LocalSettings | None = Field(None, description="What leadtime agent runs on this machine.")
    kubernetes: KubernetesSettings | None = Field(None, description="The cluster, for kind kubernetes.")

    @field_validator("url")
    @classmethod
    def plain(cls, url: str) -> str:
        """An address without a path, which our own are put behind."""
        return base(url)

    @field_validator("agents")
    @classmethod
    def all_plain(cls, agents: dict[str, str]) -> dict[str, str]:
        """Addresses, each of its own machine."""
        plain = {machine: base(url) for machine, url in agents.items()}
        if twice := {url for url in plain.values() if list(plain.values()).count(url) > 1}:
            raise ValueError(f"{sorted(twice)[0]} is the agent of two machines; give each its own")
        return plain

    @model_validator(mode="after")
    def placed(self) -> FleetSettings:
        """A cluster is told which of its namespaces."""
        if self.kind == "kubernetes" and self.kubernetes is None:
            raise ValueError("kind is kubernetes but kubernetes is missing; give kubernetes: {namespaces: [llm]}")
        if self.kubernetes is not None and self.kubernetes.agent_pools and self.token_file is None:
            raise ValueError("kubernetes.agent_pools is set and token_file is missing; give token_file: FILE")
        return self

    @model_validator(mode="after")
    def guarded(self) -> FleetSettings:
        """Who can reach an agent can start processes: beyond loopback only with a token."""
        for url in (self.url, *self.agents.values()):
            if self.kind == "local" and urlsplit(url).hostname not in LOOPBACK and self.token_file is None:
                raise ValueError(f"url {url} is not loopback and token_file is missing; give token_file: FILE")
        return self

    @model_validator(mode="after")
    def encrypted(self) -> FleetSettings:
        """Who knows whom to trust asks nobody in plain HTTP."""
        for url in self.agents.values() or (self.url,):
            if self.kind == "local" and self.ca_file is not None and urlsplit(url).scheme != "https":
                raise ValueError(f"url {url} is plain HTTP and ca_file is given; give https://HOST:PORT")
        return self


def base(url: str) -> str:
    """An address that our own paths are put behind; raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no address; give http://HOST:PORT")
    return url.rstrip("/")
