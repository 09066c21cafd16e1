"""What the routes read from: the daemon's memory and the store. Routes hold no state of their own.

Promise: who may touch but some services is given a backend of those, by ``Back`` alone, so that no route can forget it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from app.access.principal import Principal
from app.access.tokens import TokenStore
from app.api.decided import Decided
from app.api.theirs import narrowed
from app.daemon.leading import Alone, Leader
from app.daemon.memory import Memory, ServiceMemory, clock
from app.kubernetes.policies import PolicyResources
from app.reports.books import Books
from autoscaler.store.audit import AuditLog
from autoscaler.store.ledger import SqlLedger
from autoscaler.store.overrides import OverrideStore
from autoscaler.store.policies import PolicyStore
from autoscaler.store.proposals import Approvals
from autoscaler.store.trials import Trials
from collectors.history import History


@dataclass(frozen=True, slots=True)
class Backend:
    """Everything the API shows; ``only`` names the services of who may touch but some, None for all."""

    memory: Memory
    history: History
    ledger: SqlLedger
    policies: PolicyStore
    overrides: OverrideStore
    trials: Trials
    leader: Leader = field(default_factory=Alone)
    resources: PolicyResources | None = None
    tokens: TokenStore | None = None
    audit: AuditLog | None = None
    books: Books | None = None
    approvals: Approvals = field(default_factory=Approvals)
    decided: Decided = field(default_factory=Decided)
    only: frozenset[str] | None = None

    def now_s(self) -> float:
        """The daemon's time, carried on since it was told last."""
        return clock(self.memory, time.monotonic())

    def of(self, services: Collection[str]) -> Backend:
        """As if there were no other services."""
        books = None if self.books is None else self.books.of(services)
        return replace(self, memory=narrowed(self.memory, services), books=books, only=frozenset(services))


def backend_of(request: Request) -> Backend:
    """The backend that the application was made with, of the services that whoever asks may touch."""
    backend: Backend = request.app.state.backend
    principal: Principal | None = request.scope["state"]["principal"]
    return backend if principal is None or principal.services is None else backend.of(principal.services)


Back = Annotated[Backend, Depends(backend_of)]


def service_of(service: str, back: Back) -> ServiceMemory:
    """The named service; 404 with the known names where there is none."""
    found = back.memory.services.get(service)
    if found is None:
        known = ", ".join(back.memory.services) or "none"
        raise HTTPException(404, f"no service {service!r}; known: {known}")
    return found


Known = Annotated[ServiceMemory, Depends(service_of)]
