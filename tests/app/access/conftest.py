"""The API behind its door, with a token for each role, asked in process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.access.guard import Access
from app.access.keeper import Keys
from app.access.principal import Role
from app.access.tokens import TokenStore, Wish
from app.api.backend import Backend
from app.api.main import create_app
from app.daemon.parts import Daemon
from autoscaler.store.audit import AuditLog
from collectors.store import open_store

Asking = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def tokens(tmp_path: Path) -> TokenStore:
    """The store of tokens, in the daemon's database."""
    return TokenStore(open_store(f"sqlite:///{tmp_path / 'tokens.db'}"))


def made(tokens: TokenStore, role: Role, *services: str, expires_in_s: float | None = 3600.0, at_s: float = 0) -> str:
    """The text of a new token; its name is the role."""
    wish = Wish(role.value, role, frozenset(services) or None, expires_in_s)
    return tokens.make(wish, "tests", "tests", at_s or time.time())[1]


def guarded(daemon: Daemon, tokens: TokenStore, access: Access | None = None) -> FastAPI:
    """The application behind its door."""
    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    backend = replace(Backend(daemon.memory, *stores), tokens=tokens, audit=AuditLog(daemon.policies._engine))
    return create_app(backend, access=access or Access(Keys(tokens)))


@pytest.fixture
def asking(daemon: Daemon, tokens: TokenStore) -> Asking:
    """Opens a client of the guarded API: with a token's text, or with none."""

    @asynccontextmanager
    async def opened(token: str | None = None, access: Access | None = None) -> AsyncIterator[httpx.AsyncClient]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(guarded(daemon, tokens, access), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
            yield client

    return opened
