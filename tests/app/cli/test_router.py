"""``leadtime router`` as a process: it serves, reads its file again, and ends quietly."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli.router import again
from tests.app.test_settings import GOOD

LEADTIME = [sys.executable, "-m", "app.cli.main"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    router = f"router: {{port: {free_port()}, hold_s: 0.1, body_bytes: 2048}}\n"
    path.write_text(GOOD + "fleet: {url: http://127.0.0.1:1}\n" + router)
    return path


@pytest.fixture
def url(config: Path) -> Iterator[str]:
    """A router without a fleet; gives its address."""
    port = config.read_text().split("port: ")[1].split(",")[0]
    process = subprocess.Popen([*LEADTIME, "router", "--config", str(config)], stderr=subprocess.PIPE)
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                httpx.get(f"{address}/healthz")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield f"{address} {process.pid}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


def test_it_serves_and_reads_its_file_again(url: str, config: Path) -> None:
    address, pid = url.split()
    body = {"model": "chat", "prompt": "x" * 3000}
    assert httpx.post(f"{address}/v1/completions", json=body).status_code == 413
    config.write_text(config.read_text().replace("body_bytes: 2048", "body_bytes: 8192"))
    subprocess.run(["kill", "-HUP", pid], check=True)
    while (answer := httpx.post(f"{address}/v1/completions", json=body)).status_code == 413:
        time.sleep(0.05)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert 'leadtime_gateway_requests_rejected_total{service="chat"}' in httpx.get(f"{address}/metrics").text


def test_a_mistake_in_the_file_is_one_line(config: Path) -> None:
    config.write_text(config.read_text().replace("port:", "policy: best, port:"))
    with pytest.raises(ValueError, match=r"router.policy: 'best' is not known; give 'least-requests'"):
        again(config)
    ended = subprocess.run([*LEADTIME, "router", "--config", str(config)], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


def test_a_port_that_is_taken_is_told(config: Path) -> None:
    port = int(config.read_text().split("port: ")[1].split(",")[0])
    with socket.create_server(("127.0.0.1", port)):
        ended = subprocess.run([*LEADTIME, "router", "--config", str(config)], capture_output=True, text=True)
    assert (ended.returncode, "give the router another port" in ended.stderr) == (2, True)
