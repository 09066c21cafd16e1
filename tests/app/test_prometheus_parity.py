"""A real Prometheus between fleet and daemon changes no decision by more than a replica, and none for long.

A scrape may be a second old when it is asked for, or missed on a busy machine, and a demand near the border of two
numbers of replicas falls on one side here and on the other there. So a step may come a few samples earlier or later.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from app.cli.up import BUILT_IN
from app.daemon.loop import begin
from app.daemon.parts import Daemon
from app.daemon.tick import tick
from app.daemon.wiring import wire
from app.settings import Settings, load
from runtime.simulated.warm import warm
from tests.app.cli.test_up import free_ports

INTERVAL_S = 2.0
TICKS = 25
TRACE_S = 80
APART = 3
"""Samples by which a step may come earlier or later."""
PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
  - job_name: fleet
    http_sd_configs: [{{url: "{fleet}/sd", refresh_interval: 1s}}]
"""


@contextmanager
def running(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def answered(url: str) -> None:
    """Wait for a 200, for half a minute at most."""
    for _ in range(300):
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"no answer from {url}")


def ramp(path: Path) -> Path:
    """Four requests a second that become forty within a minute, in CSV."""
    times, at_s = [], 0.0
    while at_s < TRACE_S:
        times.append(at_s)
        at_s += 1 / (4 + 36 * min(1.0, at_s / 60))
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{t:.4f},1000,60\n" for t in times))
    return path


def settings_with(folder: Path, name: str, fleet: str, source: dict[str, object]) -> Settings:
    chosen = yaml.safe_load(BUILT_IN.read_text())
    chosen["services"] = chosen["services"][:1]
    chosen["services"][0]["policy"] |= {"mode": "shadow"}
    chosen |= {"fleet": {"url": fleet}, "store": {"url": f"sqlite:///{folder / name}.db"}}
    chosen["source"] = {"interval_s": INTERVAL_S, **source}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(chosen))
    return load(path)


async def both(direct: Settings, asked: Settings) -> tuple[list[int], list[int]]:
    """What either daemon wants in rotation, tick by tick, at the same moments."""
    daemons: list[Daemon] = [wire(direct), wire(asked)]
    for daemon in daemons:
        await begin(daemon)
    wanted: tuple[list[int], list[int]] = ([], [])
    at_s = daemons[0].memory.now_s
    for _ in range(TICKS):
        at_s = await daemons[0].clock.sleep_until(at_s + INTERVAL_S)
        for daemon in daemons:
            daemon.memory.now_s, daemon.memory.told_at_monotonic_s = at_s, time.monotonic()
        await asyncio.gather(*(tick(daemon, at_s) for daemon in daemons))
        for daemon, numbers in zip(daemons, wanted, strict=True):
            decision = daemon.memory.services["chat"].decision
            assert decision is not None
            numbers.append(decision.plan.targets[0].active)
    return wanted


@pytest.mark.alone
@pytest.mark.prometheus
def test_the_same_decisions_through_prometheus(tmp_path: Path) -> None:
    warm()  # a fleet that compiles while it serves stands still, and then leaps
    fleet_port, prometheus_port = free_ports(2)
    fleet, prometheus = f"http://127.0.0.1:{fleet_port}", f"http://127.0.0.1:{prometheus_port}"
    direct = settings_with(tmp_path, "direct", fleet, {"kind": "direct"})
    asked = settings_with(tmp_path, "asked", fleet, {"kind": "prometheus", "url": prometheus})
    config = tmp_path / "prometheus.yml"
    config.write_text(PROMETHEUS.format(fleet=fleet))
    leadtime = [sys.executable, "-m", "app.cli.main", "fleet", "--config", str(tmp_path / "direct.yaml")]
    with running(*leadtime, "--trace", str(ramp(tmp_path / "ramp.csv"))):
        answered(f"{fleet}/healthz")
        listen = f"--web.listen-address=127.0.0.1:{prometheus_port}"
        with running("prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb", listen):
            answered(f"{prometheus}/-/ready")
            scraped = f'{prometheus}/api/v1/query?query=count({{__name__="vllm:num_requests_running"}})'
            while not httpx.get(scraped).json()["data"]["result"]:
                time.sleep(0.2)
            here, there = asyncio.run(both(direct, asked))
    assert max(here) > min(here), "the ramp asks for more replicas"
    for i, number in enumerate(there):
        near = here[max(0, i - APART) : i + APART + 1]
        assert abs(number - here[i]) <= 1, f"tick {i}: {here} directly, {there} through Prometheus"
        assert min(near) <= number <= max(near), f"tick {i}: {here} directly, {there} through Prometheus"
