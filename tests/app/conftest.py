"""A world of fakes for the tests of daemon and API."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.daemon.parts import Daemon
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fleet of one service, with a store of its own."""
    return World(tmp_path)


async def ticked(world: World) -> Daemon:
    """A daemon after four ticks under load."""
    world.source.rps = 20.0
    daemon = await world.start()
    await ticks(daemon, 4)
    return daemon


@pytest.fixture
async def daemon(world: World) -> Daemon:
    """A daemon after four ticks under load."""
    return await ticked(world)
