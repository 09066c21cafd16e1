"""The door of the API: nothing of a request is read before it is known who asks and that they may.

A pure ASGI middleware around everything else, so that no route can forget it. Promises: who is not let in gets 401, who
may not gets 403, both in one sentence; a request that could be read in two ways (two credentials, a foreign Host on an
open API) gets 400; whoever acts is known to everything that records a change.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.keeper import Keeper, Open
from app.access.limits import Limits, neighbourhood
from app.access.principal import NotLetIn, Principal, ProviderAway, Role
from app.access.rights import Reach, Right, right_of
from autoscaler.actor import Actor, acts

ASKS = ("GET", "HEAD", "OPTIONS")
CLOSED = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
ON_EVERY_ANSWER = ((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"))
"""A browser is to take no answer for a page of another kind, nor show it inside another site's."""


@dataclass(frozen=True, slots=True)
class Access:
    """How the door is kept; ``hosts`` are the names an open API answers to, empty for any."""

    keeper: Keeper = field(default_factory=Open)
    hosts: frozenset[str] = frozenset()
    open_metrics: bool = False
    limits: Limits | None = None
    clock: Callable[[], float] = time.monotonic


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}

    def answer(self) -> JSONResponse:
        """In the API's one form."""
        return JSONResponse({"detail": str(self)}, self.status, {**CLOSED, **self.headers})


@dataclass(frozen=True, slots=True)
class Guard:
    """The middleware."""

    app: ASGIApp
    access: Access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through, or answer for it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            principal = await self._let_in(scope)
        except Refused as refusal:
            return await refusal.answer()(scope, receive, send)
        scope.setdefault("state", {})["principal"] = principal

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *ON_EVERY_ANSWER]
            await send(message)

        with acts(actor(principal, scope)):
            await self.app(scope, receive, sealed)

    async def _let_in(self, scope: Scope) -> Principal | None:
        headers = Headers(scope=scope)
        plain(headers, self.access.hosts)
        same_origin(scope["method"], headers)
        right, service = right_of(scope["method"], scope["path"])
        if right.role is None or (self.access.open_metrics and right.path == "/metrics"):
            return None
        try:
            principal = await self.access.keeper.principal(bearer(headers))
        except NotLetIn as error:
            self._count_failure(scope)
            raise Refused(401, str(error), {"WWW-Authenticate": "Bearer"}) from None
        except ProviderAway as error:
            raise Refused(503, str(error), {"Retry-After": "5"}) from None
        self._count(principal, scope)
        permit(principal, right, right.role, service)
        return principal

    def _count(self, principal: Principal, scope: Scope) -> None:
        """Raise 429 for who asks too much; who is not known by a credential of their own is known by address."""
        if self.access.limits is not None:
            known = principal.by.startswith(("token ", "jwt "))
            caller = f"{principal.by} {principal.name}" if known else neighbourhood(address(scope))
            slow_down(self.access.limits.requests.take(caller, self.access.clock()))

    def _count_failure(self, scope: Scope) -> None:
        """Raise 429 for an address that shows wrong credentials again and again; right ones are never in the way."""
        if self.access.limits is not None:
            slow_down(self.access.limits.failures.take(neighbourhood(address(scope)), self.access.clock()))


def actor(principal: Principal | None, scope: Scope) -> Actor:
    """Who acts from now on."""
    if principal is None:
        return Actor(None, "nothing", address(scope))
    return Actor(principal.name, principal.by, address(scope))


def address(scope: Scope) -> str:
    """Where the connection comes from; what a header claims does not count."""
    return str(scope["client"][0]) if scope.get("client") else ""


def slow_down(wait_s: float) -> None:
    """Raise 429 where there is anything to wait for."""
    if wait_s > 0:
        raise Refused(429, "too many requests; slow down", {"Retry-After": str(math.ceil(wait_s))})


def bearer(headers: Headers) -> str | None:
    """The credential; raises ``NotLetIn`` for one of another kind."""
    given = headers.get("authorization")
    if given is None:
        return None
    scheme, _, credential = given.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise NotLetIn("Authorization: give Bearer and the token")
    return credential.strip()


def permit(principal: Principal, right: Right, needed: Role, service: str | None) -> None:
    """Raise 403 where the role is too small or the route is about what is not theirs."""
    if not principal.role.covers(needed):
        raise Refused(403, f"{right.method} {right.path} needs the role {needed}; this credential has {principal.role}")
    if right.reach in (Reach.SERVICE, Reach.FLEET) and not principal.reaches(service):
        theirs = ", ".join(sorted(principal.services or ()))
        raise Refused(403, f"{right.method} {right.path}: this credential is for {theirs} alone")


def plain(headers: Headers, hosts: Iterable[str]) -> None:
    """Raise 400 for a request that another server could read otherwise, or that was meant for another name."""
    for name in ("authorization", "host", "content-length", "transfer-encoding"):
        if len(headers.getlist(name)) > 1:
            raise Refused(400, f"{name}: given twice; give it once")
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Refused(400, "content-length and transfer-encoding: give one of them")
    allowed = frozenset(hosts)
    if allowed and host_of(headers.get("host", "")) not in allowed:
        raise Refused(400, "host: this API answers on loopback alone; ask http://127.0.0.1, or configure api.auth")


def same_origin(method: str, headers: Headers) -> None:
    """Raise 403 for a change that another site's page asks of a browser; no page of ours writes to the API itself."""
    origin = headers.get("origin")
    if method in ASKS or origin is None:
        return
    if urlsplit(origin).netloc != headers.get("host"):
        raise Refused(403, "origin: another site's page may change nothing here")


def host_of(header: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def principal_of(scope: Any) -> Principal:
    """Who was let in; on a route that is open to all, nobody."""
    found: Principal = scope["state"]["principal"]
    return found
