"""``kill -9`` of the daemon at random moments under load: no decision lost, none doubled, no early scale-in.

The first life is told to hold eight replicas, all later ones that two would do: each of them would scale in at once,
were it not in its first window.
"""

from __future__ import annotations

import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
import yaml

from autoscaler.store.ledger import Entry, SqlLedger
from autoscaler.store.policies import PolicyStore
from collectors.store import open_store
from tests.app.daemon.conftest import MANY, SETTLE_S
from tests.app.processes import start, until

KILLS = 20


def one_life(config: Path, moment_s: float) -> None:
    """Start the daemon, let it tick, and kill it."""
    port = yaml.safe_load(config.read_text())["api"]["port"]
    daemon = start("daemon", "--config", str(config))
    until(f"http://127.0.0.1:{port}/readyz", daemon)
    time.sleep(moment_s)
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()


@pytest.mark.alone
def test_twenty_kills(config: Path, fleet: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    one_life(config, 1.0)
    engine = open_store(f"sqlite:///{tmp_path / 'leadtime.db'}")
    policies = PolicyStore(engine)
    first = policies.history("chat")[0].policy
    fewer = first.model_copy(update={"replicas": first.replicas.model_copy(update={"min": 2})})
    policies.write("chat", fewer, 1, "ada", "two will do", 0.0)
    for _ in range(KILLS - 1):
        one_life(config, rng.uniform(0.0, 1.2))
    entries = SqlLedger(engine).list("chat", limit=10_000)[::-1]
    # What the last kill cut off, whoever starts next would apply.
    assert all(entry.applied_at_s is not None for entry in entries[:-1])
    assert len({entry.decision.at_s for entry in entries}) == len(entries)
    assert len({started_s(entry) for entry in entries}) == KILLS
    for before, after in pairwise(entries):
        if after.decision.at_s - started_s(after) < SETTLE_S:
            assert active(after) >= active(before) >= MANY
    # A life that ended in its first tick had nothing to compare with, and held for that.
    assert {"settle", "hold"} >= {entry.decision.binding for entry in entries[-3:]}
    assert any(entry.decision.binding == "settle" for entry in entries)
    assert moves(fleet) <= sum(active(before) != active(after) for before, after in pairwise(entries)) + 1


def started_s(entry: Entry) -> float:
    """When the daemon that decided this had started."""
    return entry.decision.next_state.started_at_s


def active(entry: Entry) -> int:
    """The replicas it wanted in rotation."""
    return entry.decision.plan.targets[0].active


def moves(fleet: str) -> int:
    """How often the fleet was told another number than before."""
    (row,) = httpx.get(f"{fleet}/fleet/summary").json()
    return int(row["scale_ups"]) + int(row["scale_downs"])
