"""The API over a daemon that has ticked a few times, asked in process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.api.backend import Backend
from app.api.main import create_app
from app.daemon.parts import Daemon


def app_of(daemon: Daemon) -> FastAPI:
    """The application over a daemon."""
    stores = (daemon.history, daemon.ledger, daemon.policies, daemon.overrides, daemon.trials)
    return create_app(Backend(daemon.memory, *stores))


@pytest.fixture
async def api(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API."""
    transport = httpx.ASGITransport(app_of(daemon))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client
