"""Backup and restore as docs/operations/backup.md says it, on the stores of daemons that go on meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.daemon.parts import Daemon
from autoscaler.policy import Policy, Replicas
from autoscaler.store.policies import PolicyStore
from collectors.store import open_store
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import AUTO, World
from tests.docs.commands import calls
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/operations/backup.md"
OTHER = AUTO.model_copy(update={"replicas": Replicas(min=2, max=9)})
ADDRESS = "postgresql://leadtime@db.example.com/leadtime"


def lines(*programs: str) -> list[str]:
    """What the page says to type, with these programs."""
    found = [call.line for call in calls(*programs, pages=[PAGE]) if call.line.block]
    return [line.text for line in sorted(found, key=lambda line: line.number)]


def typed(line: str, folder: Path) -> str:
    """What the shell answers."""
    here = line.replace("python ", f"{sys.executable} ", 1)
    return subprocess.run(["bash", "-c", here], cwd=folder, check=True, capture_output=True, text=True).stdout


def state(daemon: Daemon) -> tuple[list[str], int, list[float]]:
    """What a daemon has kept: decisions, the version of its policy, the times of its history."""
    newest = daemon.policies.current("chat")
    decisions = [entry.decision.id for entry in daemon.ledger.list("chat")]
    assert newest is not None
    return decisions, newest.version, daemon.history.load("chat", "arrivals_per_s", 0.0)[0].tolist()


async def test_sqlite_while_the_daemon_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    daemon = await world.start()
    await ticks(daemon, 4)
    before = state(daemon)
    backup, check = lines("python")
    typed(backup, tmp_path)
    assert typed(check, tmp_path).strip() == "ok"
    daemon.policies.write("chat", OTHER, 1, "ada", "after the backup", 0.0)
    await ticks(daemon, 3, first=4)
    assert state(daemon)[1] == 2 and len(state(daemon)[0]) == 7
    for line in lines("rm", "cp"):
        typed(line, tmp_path)
    again = await world.start()
    assert state(again) == before
    await ticks(again, 1, first=7)
    assert len(state(again)[0]) == 5


@pytest.mark.postgres
def test_postgresql(postgres_url: str, tmp_path: Path) -> None:
    policies = PolicyStore(open_store(postgres_url))
    policies.seed("chat", Policy())
    dump, restore = lines("pg_dump", "pg_restore")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    here = postgres_url.replace("+psycopg", "").replace("?", "?user=leadtime&")
    typed(f"{binaries}/{dump.replace(ADDRESS, repr(here))}", tmp_path)
    policies.write("chat", OTHER, 1, "ada", "after the backup", 0.0)
    typed(f"{binaries}/{restore.replace(ADDRESS, repr(here))}", tmp_path)
    assert [one.version for one in PolicyStore(open_store(postgres_url)).history("chat")] == [1]
