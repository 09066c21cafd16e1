"""The router's part of ``fleet.yaml``: its own section, and what a service says for itself.

Promise: what loads can be routed; a policy, header or pool that there is not is one line.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.section import Section

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
]


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
    wake_url: str | None = Field(None, description="Told by POST while requests wait for a first replica.")


class ServiceRouterSettings(Section):
    """What a service says of its own routing."""

    policy: RouterPolicy | None = Field(None, description="Which replica a request goes to; the router's if absent.")
