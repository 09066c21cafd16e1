"""Processes of our own for tests: start one, wait until it answers, find free ports."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import httpx

PATIENCE_S = 120.0
"""A fresh checkout compiles the simulator first."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """A command of ours in the background."""
    return subprocess.Popen([sys.executable, "-m", "app.cli.main", *arguments])


def until(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for an answer; a process that gives none is ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=2.0).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError(f"no answer from {url}")
