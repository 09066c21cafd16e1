"""The API's part of ``fleet.yaml``: where it listens, and who may ask.

Promise: what loads listens beyond loopback only where it knows who asks.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from app.access.principal import Role
from app.fleetsettings import LOOPBACK
from app.section import Section
from app.tlssettings import TlsSettings


class JwtSettings(Section):
    """An identity provider whose JWTs are let in (extra auth)."""

    issuer: str = Field(min_length=1, description="The iss claim, exactly.")
    audience: str = Field(min_length=1, description="What the aud claim must name; for ID tokens, the client's id.")
    jwks_url: str = Field(description="Where its public keys are; https unless loopback.")
    role_claim: str = Field("groups", min_length=1, description="Claim with roles or groups; dots lead into objects.")
    roles: dict[str, Role] = Field(min_length=1, description="our role by value of that claim; the highest counts")
    name_claim: str = Field("sub", min_length=1, description="Claim with the name that changes are signed with.")
    services_claim: str | None = Field(None, description="Claim with the services it is for; all if absent.")
    keys_for_s: float = Field(3600.0, ge=60, le=86400, description="How long its keys are kept, seconds.")

    @field_validator("jwks_url")
    @classmethod
    def safe(cls, url: str) -> str:
        """Keys that others could replace on the way would let anybody in."""
        parts = urlsplit(url)
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
            return url
        raise ValueError(f"{url} is not https; give https://HOST/PATH")


class AuthSettings(Section):
    """Who may ask the API; with this section everybody has to say who they are."""

    tokens: bool = Field(True, description="Let in API tokens, which leadtime token create makes.")
    anonymous: Literal["nothing", "viewer"] = Field("nothing", description="What who shows no credential may do.")
    jwt: JwtSettings | None = Field(None, description="let in JWTs of an identity provider")
    open_metrics: bool = Field(False, description="Let everybody read /metrics.")

    @model_validator(mode="after")
    def possible(self) -> AuthSettings:
        """Somebody can be let in."""
        if not self.tokens and self.jwt is None and self.anonymous == "nothing":
            raise ValueError("nobody could be let in; give tokens: true")
        return self


class LimitSettings(Section):
    """How much one caller may ask."""

    requests_per_s: float = Field(100.0, gt=0, le=1e6, description="Requests a second of one caller, for good.")
    burst: int = Field(500, ge=1, le=1_000_000, description="Requests of one caller at once.")
    failures_per_min: float = Field(30.0, gt=0, le=1e6, description="Wrong credentials a minute from one address.")
    body_bytes: int = Field(2**20, ge=1024, le=2**26, description="Largest body of a request, bytes.")
    connections: int = Field(1000, ge=10, le=100_000, description="Most connections at once; more are told 503.")


class ApiSettings(Section):
    """Where the daemon's HTTP API listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless changed.")
    port: int = Field(8800, ge=1, le=65535, description="TCP port.")
    auth: AuthSettings | None = Field(None, description="who may ask; open to who reaches it if absent")

    limits: LimitSettings = LimitSettings()
    tls: TlsSettings | None = Field(None, description="serve HTTPS with this certificate; plain HTTP if absent")

    @property
    def scheme(self) -> str:
        """How it is spoken to."""
        return "http" if self.tls is None else "https"

    @model_validator(mode="after")
    def guarded(self) -> ApiSettings:
        """Beyond loopback everybody says who they are."""
        if self.host not in LOOPBACK and self.auth is None:
            raise ValueError(
                f"host {self.host} is not loopback and auth is missing; give auth: {{tokens: true}} and make a token "
                "with leadtime token create"
            )
        return self
