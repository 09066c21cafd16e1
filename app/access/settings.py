"""The API's part of ``fleet.yaml``: where it listens, and who may ask.

Promise: what loads listens beyond loopback only where it knows who asks.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from app.fleetsettings import LOOPBACK
from app.section import Section


class AuthSettings(Section):
    """Who may ask the API; with this section everybody has to say who they are."""

    tokens: bool = Field(True, description="Let in API tokens, which leadtime token create makes.")
    anonymous: Literal["nothing", "viewer"] = Field("nothing", description="What who shows no credential may do.")
    open_metrics: bool = Field(False, description="Let everybody read /metrics.")

    @model_validator(mode="after")
    def possible(self) -> AuthSettings:
        """Somebody can be let in."""
        if not self.tokens and self.anonymous == "nothing":
            raise ValueError("nobody could be let in; give tokens: true")
        return self


class ApiSettings(Section):
    """Where the daemon's HTTP API listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback unless changed.")
    port: int = Field(8800, ge=1, le=65535, description="TCP port.")
    auth: AuthSettings | None = Field(None, description="who may ask; open to who reaches it if absent")

    @model_validator(mode="after")
    def guarded(self) -> ApiSettings:
        """Beyond loopback everybody says who they are."""
        if self.host not in LOOPBACK and self.auth is None:
            raise ValueError(
                f"host {self.host} is not loopback and auth is missing; give auth: {{tokens: true}} and make a token "
                "with leadtime token create"
            )
        return self
