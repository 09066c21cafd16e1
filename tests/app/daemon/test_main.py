"""The daemon as a process: it ends in order at a signal, with nothing to say."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import yaml

from tests.app.processes import start, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(config: Path, fleet: str, number: signal.Signals) -> None:
    port = yaml.safe_load(config.read_text())["api"]["port"]
    daemon = start("daemon", "--config", str(config))
    until(f"http://127.0.0.1:{port}/readyz", daemon)
    daemon.send_signal(number)
    assert daemon.wait(10) == 0
