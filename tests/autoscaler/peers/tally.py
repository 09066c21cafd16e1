"""Says in the test output how many golden cases were replayed, so that a dropped one is seen and not only asserted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.autoscaler.peers.golden_llm import cases


def tally(config: pytest.Config, table: str, count: int, cannot_pass: Mapping[str, str]) -> None:
    """Assert the number of cases of one table, and print it with those that cannot pass."""
    names = [case["name"] for case in cases(table)]
    assert len(names) == len(set(names)) == count
    failing = [name for name in names if name in cannot_pass]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\n{table}: {count} golden cases replayed, {len(failing)} cannot pass {failing or ''}")
