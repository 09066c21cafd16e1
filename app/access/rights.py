"""Which role each route needs: one table, read by the guard, by the tests and by docs/security.md.

Promise: a route that is not in the table is for admins alone, so one that was forgotten is closed and not open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto

from app.access.principal import Role


class Reach(Enum):
    """What a route is about."""

    NOTHING = auto()
    """No service: who may touch but one service may ask it too."""
    SERVICE = auto()
    """The service that its path names."""
    THEIRS = auto()
    """Several services: whoever asks is told of those that they may touch, as if there were no others."""
    FLEET = auto()
    """Several services, or none that the path names: only who may touch all of them."""


@dataclass(frozen=True, slots=True)
class Right:
    """What a route needs; ``role`` None stands for everybody."""

    method: str
    path: str
    role: Role | None
    reach: Reach


FLEET = "_fleet"
"""What stands for a service in the path of the fleet's own series; of it who may touch but some sees nothing."""

OPEN = "GET /healthz /readyz /openapi.json /docs /docs/oauth2-redirect /redoc"

ANY = """
GET /api/v1/me
GET /api/v1/plan/choices
GET /api/v1/schema
"""

THEIRS = """
GET /api/v1/cost
GET /api/v1/cost/budgets
GET /api/v1/cost/capacity
GET /api/v1/cost/savings
POST /api/v1/cost/savings
GET /api/v1/cost/series
GET /api/v1/decisions
GET /api/v1/decisions/{id}
GET /api/v1/decisions/{id}/replay
GET /api/v1/fleet
GET /api/v1/nodes
GET /api/v1/overrides
GET /api/v1/policies
GET /api/v1/racks
GET /api/v1/timeline
"""
"""For viewers; each of these reads through ``app.api.backend.Back``, which is what narrows."""

VIEWER = """
GET /metrics
GET /api/v1/audit
GET /api/v1/audit/verify
GET /api/v1/audit/{seq}
GET /api/v1/cost/prices
GET /api/v1/reports
GET /api/v1/reports/html
GET /api/v1/reports/{form}.csv
GET /api/v1/policies/{service}
GET /api/v1/policies/{service}/history
GET /api/v1/policies/{service}/diff
GET /api/v1/policies/{service}/proposals
GET /api/v1/policies/{service}/shadow
GET /api/v1/policies/{service}/tuning
GET /api/v1/policies/{service}/watch
POST /api/v1/policies/{service}/check
POST /api/v1/policies/{service}/impact
GET /api/v1/services/{service}
GET /api/v1/services/{service}/capacity
GET /api/v1/services/{service}/decisions
GET /api/v1/services/{service}/forecast
GET /api/v1/services/{service}/forecast/accuracy
GET /api/v1/services/{service}/forecast/days
GET /api/v1/services/{service}/overrides
GET /api/v1/services/{service}/replicas
GET /api/v1/services/{service}/series
POST /api/v1/services/{service}/plan
POST /api/v1/services/{service}/wake
"""

OPERATOR = """
PUT /api/v1/policies/{service}
POST /api/v1/policies/{service}/rollback
POST /api/v1/policies/{service}/proposals
POST /api/v1/policies/{service}/proposals/{id}/approve
POST /api/v1/policies/{service}/proposals/{id}/refuse
POST /api/v1/policies/{service}/proposals/{id}/withdraw
PUT /api/v1/policies/{service}/shadow
POST /api/v1/policies/{service}/shadow/promote
POST /api/v1/policies/{service}/shadow/stop
POST /api/v1/policies/{service}/watch/end
POST /api/v1/services/{service}/overrides
POST /api/v1/overrides/{id}/lift
POST /api/v1/freezes
"""

ADMIN = """
GET /api/v1/tokens
POST /api/v1/tokens
POST /api/v1/tokens/{id}/revoke
"""


def _listed(lines: str, role: Role, reach: Reach | None = None) -> Iterator[Right]:
    for line in lines.split("\n"):
        if line:
            method, path = line.split()
            yield Right(method, path, role, reach or (Reach.SERVICE if "{service}" in path else Reach.FLEET))


RIGHTS: tuple[Right, ...] = (
    *(Right("GET", path, None, Reach.NOTHING) for path in OPEN.split()[1:]),
    *_listed(ANY, Role.VIEWER, Reach.NOTHING),
    *_listed(THEIRS, Role.VIEWER, Reach.THEIRS),
    *_listed(VIEWER, Role.VIEWER),
    *_listed(OPERATOR, Role.OPERATOR),
    *_listed(ADMIN, Role.ADMIN),
)


def _pattern(path: str) -> re.Pattern[str]:
    """The path as routes are matched: a name in braces stands for anything without a slash."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


_COMPILED = [(right, _pattern(right.path)) for right in RIGHTS]


def right_of(method: str, path: str) -> tuple[Right, str | None]:
    """What a request needs, and the service that it names. ``path`` is decoded, as routes are matched."""
    asked = "GET" if method == "HEAD" else method
    for right, pattern in _COMPILED:
        if right.method == asked and (found := pattern.fullmatch(path)):
            service = found.groupdict().get("service")
            if service == FLEET and asked == "GET":
                return replace(right, reach=Reach.THEIRS), None
            return right, service
    return Right(asked, path, Role.ADMIN, Reach.FLEET), None
