"""Who somebody is to the API: a name, a role, and the services that they may touch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do; each may what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role may what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """``name`` is None for who did not have to say; ``services`` is None for all; ``by`` says how they are known."""

    name: str | None
    role: Role
    by: str
    services: frozenset[str] | None = None

    def reaches(self, service: str | None) -> bool:
        """Whether a service is theirs; None stands for the whole fleet, which is theirs who have all services."""
        return self.services is None or (service is not None and service in self.services)


ANYBODY = Principal(None, Role.ADMIN, "loopback")
"""Who asks a daemon that listens on loopback and knows nobody."""


class ProviderAway(Exception):
    """Who asks cannot be told now; ``str(error)`` is one sentence."""


class NotLetIn(Exception):
    """No valid credential; ``str(error)`` is one sentence that repeats nothing of what was shown."""
