"""What the routes read from: the daemon's memory and the store. Routes hold no state of their own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from app.access.tokens import TokenStore
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
    """Everything the API shows."""

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

    def now_s(self) -> float:
        """The daemon's time, carried on since it was told last."""
        return clock(self.memory, time.monotonic())


def backend_of(request: Request) -> Backend:
    """The backend that the application was made with."""
    backend: Backend = request.app.state.backend
    return backend


Back = Annotated[Backend, Depends(backend_of)]


def service_of(service: str, back: Back) -> ServiceMemory:
    """The named service; 404 with the known names where there is none."""
    found = back.memory.services.get(service)
    if found is None:
        known = ", ".join(back.memory.services) or "none"
        raise HTTPException(404, f"no service {service!r}; known: {known}")
    return found


Known = Annotated[ServiceMemory, Depends(service_of)]
