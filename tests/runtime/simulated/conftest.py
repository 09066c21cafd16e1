"""No example has a deadline: how long one takes says more about the machine than about the fleet."""

from __future__ import annotations

import pytest
from hypothesis import settings

from runtime.simulated.warm import warm

settings.register_profile("untimed", deadline=None, max_examples=80)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """A world that is paced by a clock must not wait for the compiler meanwhile."""
    warm()
