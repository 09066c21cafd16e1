"""The fake API on a free port of this process, and the console's pages run against it without a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import uvicorn
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

import app.console
from tests.app.console.fake_api import World, create_app

NOW_S = 1_800_000_000.0
MAIN = Path(app.console.__file__).with_name("main.py")


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, World]]:
    """The fake API's address and its world."""
    world = World(lambda: NOW_S)
    config = uvicorn.Config(create_app(world), host="127.0.0.1", port=0, log_level="error")
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    while not serving.started:
        thread.join(0.02)
    yield f"http://127.0.0.1:{serving.servers[0].sockets[0].getsockname()[1]}", world
    serving.should_exit = True
    thread.join(5)


@pytest.fixture(scope="session", autouse=True)
def scanned_once() -> Iterator[None]:
    """Streamlit looks through all installed packages for components at each start of the harness; here once for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def world(server: tuple[str, World], monkeypatch: pytest.MonkeyPatch) -> World:
    """A fresh world behind the address that the console reads."""
    from app.console import shell

    address, world = server
    world.mode, world.speed = "normal", 1.0
    for kept in (
        world.policies,
        world.watches,
        world.shadows,
        world.overrides,
        world.proposals,
        world.asked,
        world.plans,
    ):
        kept.clear()
    monkeypatch.setenv("LEADTIME_API", address)
    shell.client(address).forget()
    return world


@pytest.fixture
def open_page(world: World) -> Callable[..., AppTest]:
    """Opens a page of the console (``fleet``, ``service``, ``forecasts``, ``policies``) with query parameters."""

    def opened(name: str, **query: str) -> AppTest:
        at = AppTest.from_file(str(MAIN), default_timeout=120).run()
        for key, value in query.items():
            at.query_params[key] = value
        return at.switch_page(f"views/{name}.py").run()

    return opened
