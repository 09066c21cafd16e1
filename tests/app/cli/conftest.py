"""A real API on a port of its own, over a daemon of fakes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from tests.app.api.conftest import app_of
from tests.app.conftest import ticked
from tests.app.fakes import World


@pytest.fixture
def api(world: World) -> Iterator[str]:
    """The address of the API."""
    app = app_of(asyncio.run(ticked(world)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
