"""The kernel is compiled before anything that goes by a clock."""

from __future__ import annotations

import pytest

from runtime.simulated.warm import warm


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """A world that is paced by a clock must not wait for the compiler meanwhile."""
    warm()
