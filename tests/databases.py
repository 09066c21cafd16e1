"""Databases that stores are tested on: SQLite as the daemon opens it, and a PostgreSQL of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from collectors.store import open_store


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server on a socket in a folder of its own, gone afterwards; it refuses to run as root."""
    commands = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="leadtime-pg-"))
    if user:
        shutil.chown(folder, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(commands / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    run("initdb", "-U", "leadtime", "-A", "trust", "--no-sync")
    run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses='' -F")
    try:
        yield f"postgresql+psycopg://leadtime@/postgres?host={folder}"
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty database of each kind."""
    sqlite = f"sqlite:///{tmp_path}/leadtime.db"
    engine = open_store(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield engine
    left = sa.MetaData()
    left.reflect(engine)
    left.drop_all(engine)
    engine.dispose()
