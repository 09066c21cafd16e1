"""The history in a real PostgreSQL: what SQLite keeps, it keeps too."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from collectors.history import FULL_S, History
from collectors.store import open_store


def command(tool: str, *arguments: str) -> list[str]:
    """A server tool's command line; PostgreSQL refuses to run as root, so its own user runs it there."""
    binary = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{tool}"))[-1]
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    return [*as_user, str(binary), *arguments]


@pytest.fixture
def url() -> Iterator[str]:
    pytest.importorskip("psycopg")
    # Not below pytest's own folder: another user must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="leadtime-postgres-"))
    folder.chmod(0o777)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    data, quiet = str(folder / "data"), {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
    subprocess.run(command("initdb", "-D", data, "-U", "leadtime", "-A", "trust", "-N"), **quiet, cwd="/")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    start = command("pg_ctl", "-D", data, "-w", "-o", options, "-l", f"{folder}/log", "start")
    subprocess.run(start, **quiet, cwd="/")
    yield f"postgresql+psycopg://leadtime@127.0.0.1:{port}/postgres"
    subprocess.run(command("pg_ctl", "-D", data, "-m", "immediate", "stop"), **quiet, cwd="/")
    shutil.rmtree(folder)


@pytest.mark.postgres
def test_history_in_postgresql(url: str) -> None:
    engine = open_store(url)
    history = History(engine)
    history.append_many([("chat", 15.0 * n, {"load": None if n == 2 else float(n)}) for n in range(1, 9)])
    history.append("chat", 120.0, {"load": 18.0, "waiting": 3.0})
    assert history.last_at("chat") == 120.0
    times, values = history.load("chat", "load", 0.0)
    assert times.tolist() == [15.0 * n for n in range(1, 9)]
    assert np.nan_to_num(values, nan=-1).tolist() == [1, -1, 3, 4, 5, 6, 7, 18]
    assert history.series("chat", ["waiting"], 110.0, 130.0) == {"waiting": [(120.0, 3.0)]}
    history.compact(120.0 + FULL_S)
    assert history.load("chat", "load", 0.0)[1].tolist() == [pytest.approx(8 / 3), 9.0]
    engine.dispose()
