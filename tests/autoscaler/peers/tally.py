"""Says in the test output how many golden cases were replayed, so that a dropped one is seen and not only asserted."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest

from tests.autoscaler.peers.golden_llm import cases


def tally(capsys: pytest.CaptureFixture[str], table: str, count: int, cannot_pass: Mapping[str, str]) -> None:
    """Assert the number of cases of one table, and print it with those that cannot pass."""
    names = [case["name"] for case in cases(table)]
    assert len(names) == len(set(names)) == count
    failing = [name for name in names if name in cannot_pass]
    with capsys.disabled():
        sys.stdout.write(f"\n{table}: {count} golden cases replayed, {len(failing)} cannot pass {failing or ''}\n")
