"""A world of fakes for the tests of daemon and API."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.fakes import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fleet of one service, with a store of its own."""
    return World(tmp_path)
