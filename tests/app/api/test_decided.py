"""What was decided long ago is read once; what may still be marked is read again; memory stays bounded."""

from __future__ import annotations

import pytest

from app.api import decided
from app.api.decided import SETTLED_S, Decided
from app.daemon.parts import Daemon
from autoscaler.store.ledger import Entry


@pytest.fixture
def entry(daemon: Daemon) -> Entry:
    return daemon.ledger.list("chat", 1)[0]


def reads(kept: Decided, entry: Entry | None, at_s: float, now_s: float) -> int:
    asked: list[int] = []
    assert kept.at("chat", at_s, now_s, lambda: asked.append(1) or entry) is entry  # type: ignore[func-returns-value]
    return len(asked)


async def test_an_old_one_is_read_once_and_a_new_one_again(entry: Entry) -> None:
    kept = Decided()
    assert [reads(kept, entry, 0.0, SETTLED_S + 1) for _ in range(2)] == [1, 0]
    assert [reads(kept, entry, 5.0, SETTLED_S) for _ in range(2)] == [1, 1]
    assert [reads(kept, None, 7.0, 1e9) for _ in range(2)] == [1, 1]


async def test_the_least_used_goes_first(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decided, "MOST", 2)
    kept = Decided()
    for at_s in (1.0, 2.0, 1.0, 3.0):
        reads(kept, entry, at_s, 1e9)
    assert [at_s for _, at_s in kept.kept] == [1.0, 3.0]
