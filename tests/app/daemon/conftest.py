"""A simulated fleet in a process of its own, and the file a daemon needs to find it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.cli.up import BUILT_IN
from tests.app.processes import free_ports, start, until

SETTLE_S = 30.0
MANY = 8


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A fleet file for one service with short windows but for the first."""
    api, fleet = free_ports(2)
    chosen = yaml.safe_load(BUILT_IN.read_text())
    chosen["services"] = chosen["services"][:1]
    policy = chosen["services"][0]["policy"]
    policy["replicas"]["min"] = MANY
    policy["scale_in"] = {"window_s": 1, "cooldown_s": 0, "settle_after_restart_s": SETTLE_S}
    chosen |= {
        "api": {"port": api},
        "fleet": {"url": f"http://127.0.0.1:{fleet}"},
        "store": {"url": f"sqlite:///{tmp_path / 'leadtime.db'}"},
        "source": {"interval_s": 1},
    }
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump(chosen))
    return path


@pytest.fixture
def fleet(config: Path) -> Iterator[str]:
    """A simulated fleet at real speed, on two requests a second.

    They need fewer than ``MANY`` replicas at any time of day, where the built-in workload's morning peak needs more.
    """
    trace = config.with_name("trace.csv")
    rows = "".join(f"{second / 2},800,80\n" for second in range(1200))
    trace.write_text(f"arrival_s,input_tokens,output_tokens\n{rows}")
    url = str(yaml.safe_load(config.read_text())["fleet"]["url"])
    process = start("fleet", "--config", str(config), "--trace", str(trace))
    until(f"{url}/healthz", process)
    yield url
    process.terminate()
    process.wait()
