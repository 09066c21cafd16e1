"""Replicas and requests for tests of the router."""

from __future__ import annotations

from dataclasses import replace

from runtime.router.load import Load
from tests.runtime.simulated.fleets import POOL


def load(name: str = "r0", **counts: float) -> Load:
    """A replica of the test pool with such an account."""
    made = replace(Load.of(name, f"http://{name}", POOL), **counts)  # type: ignore[arg-type]
    return made


def loads(count: int) -> list[Load]:
    """So many idle ones."""
    return [load(f"r{i}") for i in range(count)]
