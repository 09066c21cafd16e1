"""The ledger: nothing lost, nothing doubled, and the same again after a restart."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from autoscaler.decide import decide
from autoscaler.decision import Decision
from autoscaler.policy import Policy
from autoscaler.store.codec import inputs, replay
from autoscaler.store.ledger import Record, SqlLedger
from collectors.store import open_store
from tests.autoscaler.cases import AUTO, NOW_S, forecast, observation, state


@pytest.fixture
def ledger(engine: sa.Engine) -> SqlLedger:
    return SqlLedger(engine)


def decision(at_s: float = NOW_S, policy: Policy = AUTO) -> Decision:
    return decide(observation(at_s=at_s), forecast(3.0), state(4), policy, at_s)


def test_a_decision_comes_back_with_its_inputs_and_replays(ledger: SqlLedger) -> None:
    made, given = decision(), inputs(observation(), forecast(3.0), state(4), AUTO, NOW_S)
    ledger.record(made, given, 7)
    entry = ledger.get(made.id)
    assert entry is not None and entry.inputs is not None
    assert (entry.decision, entry.policy_version, entry.applied_at_s) == (made, 7, None)
    assert replay(entry.inputs) == made


def test_recording_twice_keeps_the_first(ledger: SqlLedger) -> None:
    ledger.record(decision(), {}, 1)
    ledger.mark_applied(decision().id, NOW_S + 1)
    ledger.record(decision(), {}, 2)
    entries = ledger.list("chat")
    assert [(e.policy_version, e.applied_at_s) for e in entries] == [(1, NOW_S + 1)]


def test_many_are_written_together_or_not_at_all(ledger: SqlLedger) -> None:
    ledger.record_many([])
    with pytest.raises(ValueError, match="Out of range"):
        ledger.record_many([Record(decision(), {}, 1), Record(decision(NOW_S + 1), {"bad": float("nan")}, 1)])
    assert ledger.list() == []
    ledger.record_many([Record(decision(), {}, 1), Record(decision(NOW_S + 1), {}, 1)])
    assert len(ledger.list()) == 2


def test_the_newest_acting_decision_waits_to_be_applied(ledger: SqlLedger) -> None:
    first, second = decision(NOW_S), decision(NOW_S + 15)
    ledger.record_many([Record(first, {}, 1), Record(second, {}, 1)])
    ledger.record(decision(NOW_S + 30, Policy()), {}, 1)
    waiting = ledger.unapplied("chat")
    assert waiting is not None and waiting.decision == second
    ledger.mark_applied(second.id, NOW_S + 16)
    assert ledger.unapplied("chat") is None  # the first is superseded


def test_applied_is_marked_once_and_only_on_what_exists(ledger: SqlLedger) -> None:
    ledger.record(decision(), {}, 1)
    ledger.mark_applied(decision().id, NOW_S + 1)
    ledger.mark_applied(decision().id, NOW_S + 9)
    entry = ledger.get(decision().id)
    assert entry is not None and entry.applied_at_s == NOW_S + 1
    with pytest.raises(KeyError, match="chat-0"):
        ledger.mark_applied("chat-0", NOW_S)


def test_memory_survives_a_restart(ledger: SqlLedger, engine: sa.Engine) -> None:
    ledger.record_many([Record(decision(NOW_S + n), {}, 1) for n in range(3)])
    assert SqlLedger(engine).state("chat") == decision(NOW_S + 2).next_state
    assert ledger.state("other") is None and ledger.latest("other") is None


def test_lists_newest_first_in_pages_by_service(ledger: SqlLedger) -> None:
    other = replace(decision(NOW_S), id="code-1", service="code")
    ledger.record_many([*(Record(decision(NOW_S + n), {}, 1) for n in range(5)), Record(other, {}, 1)])
    times = [e.decision.at_s - NOW_S for e in ledger.list("chat", limit=2, before_s=NOW_S + 4)]
    assert times == [3.0, 2.0]
    assert len(ledger.list(None)) == 6
    assert ledger.get("nothing") is None


def test_inputs_of_chosen_times_come_oldest_first(ledger: SqlLedger) -> None:
    ledger.record_many([Record(decision(NOW_S + n), {"n": n}, 1) for n in range(5)])
    times = ledger.times("chat", NOW_S + 1, NOW_S + 3)
    assert times == [NOW_S + 1, NOW_S + 2, NOW_S + 3]
    assert ledger.inputs_at("chat", [times[2], times[0]]) == [{"n": 1}, {"n": 3}]
    assert ledger.times("code", 0, 2 * NOW_S) == ledger.inputs_at("code", times) == []


def test_pruning_keeps_the_newest_of_each_service(ledger: SqlLedger) -> None:
    other = replace(decision(NOW_S), id="code-1", service="code")
    ledger.record_many([*(Record(decision(NOW_S + n), {}, 1) for n in range(5)), Record(other, {}, 1)])
    assert ledger.prune(NOW_S + 100) == 4
    assert [e.decision.at_s - NOW_S for e in ledger.list("chat")] == [4.0]
    assert ledger.state("code") is not None


WRITER = """
import sys
from autoscaler.store.ledger import SqlLedger
from collectors.store import open_store
from tests.autoscaler.cases import NOW_S
from tests.autoscaler.store.test_ledger import decision
ledger = SqlLedger(open_store(sys.argv[1]))
latest = ledger.latest("chat")
at_s = NOW_S if latest is None else latest.decision.at_s
while True:
    at_s += 1
    made = decision(at_s)
    ledger.record(made, {}, 1)
    print(made.id, flush=True)
    ledger.mark_applied(made.id, at_s)
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    url, told = f"sqlite:///{tmp_path}/ledger.db", []
    for lines in (1, 7, 20):
        command = [sys.executable, "-c", WRITER, url]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
        assert writer.stdout is not None
        told += [writer.stdout.readline().strip() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        told += [line.strip() for line in writer.communicate()[0].splitlines()]
    entries = SqlLedger(open_store(url)).list("chat", limit=100_000)
    ids = [entry.decision.id for entry in entries]
    assert set(told) <= set(ids) and len(ids) == len(set(ids)) <= len(told) + 3
    assert sum(entry.applied_at_s is None for entry in entries) <= 3
