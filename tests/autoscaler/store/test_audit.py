"""The chain: every change is sealed with it, and whatever is done to it later is found where it was done."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.actor import Actor, acts
from autoscaler.policy import Policy
from autoscaler.safety.overrides import Kind
from autoscaler.store.audit import AUDIT, FIRST, AuditLog, Change, Entry, Wanted, verify
from autoscaler.store.overrides import OverrideStore
from autoscaler.store.policies import PolicyStore, StaleWrite
from collectors.store import open_store

NOW_S = 1_800_000_000.25
MORE = Policy.model_validate({"replicas": {"min": 2, "max": 9}})


def change(number: int, **more: str) -> Change:
    return replace(
        Change("policy.write", "chat", "ada", f"reason {number}", NOW_S + number, None, {"n": number}), **more
    )


@pytest.fixture
def chain(engine: sa.Engine) -> AuditLog:
    """Five entries."""
    log = AuditLog(engine)
    for number in range(5):
        log.add(change(number))
    return log


def oldest_first(log: AuditLog) -> list[Entry]:
    return list(reversed(log.list()))


def test_a_chain_that_nobody_touched_holds(chain: AuditLog) -> None:
    verdict = chain.verify()
    assert (verdict.entries, verdict.broken) == (5, None) and verdict.head == chain.list()[0].hash
    assert oldest_first(chain)[0].previous == FIRST


def test_an_empty_chain_holds(engine: sa.Engine) -> None:
    assert AuditLog(engine).verify().broken is None


@pytest.mark.parametrize("column", [column.name for column in AUDIT.columns if column.name not in ("seq", "hash")])
def test_whatever_is_altered_is_named(engine: sa.Engine, chain: AuditLog, column: str) -> None:
    with engine.begin() as connection:
        value = 1.0 if column == "at_s" else "altered"
        connection.execute(sa.update(AUDIT).where(AUDIT.c.seq == 3).values({column: value}))
    verdict = chain.verify()
    assert verdict.entries == 2 and verdict.broken is not None and verdict.broken.startswith("entry 3 (")
    assert "altered after it was written" in verdict.broken


def test_a_removed_entry_is_named_by_the_next(engine: sa.Engine, chain: AuditLog) -> None:
    with engine.begin() as connection:
        connection.execute(sa.delete(AUDIT).where(AUDIT.c.seq == 2))
    assert "entry 3" in (chain.verify().broken or "") and "were removed" in (chain.verify().broken or "")


def test_an_entry_written_anew_with_a_right_hash_breaks_the_next() -> None:
    log = AuditLog(open_store("sqlite://"))
    first, second = log.add(change(0)), log.add(change(1))
    forged = replace(first, reason="forged")
    forged = replace(forged, hash=forged.sealed())
    assert "entry 2" in (verify([forged, second]).broken or "")


def test_a_chain_that_was_cut_off_lacks_the_hash_that_was_noted(engine: sa.Engine, chain: AuditLog) -> None:
    head = chain.verify().head
    assert chain.verify(head).broken is None
    with engine.begin() as connection:
        connection.execute(sa.delete(AUDIT).where(AUDIT.c.seq > 3))
    assert chain.verify().broken is None and "cut off" in (chain.verify(head).broken or "")


texts = st.text(max_size=20)
values = st.recursive(st.none() | st.integers() | texts | st.floats(allow_nan=False, allow_infinity=False), st.lists)


@given(st.lists(st.tuples(texts, texts, values), max_size=6), st.data())
def test_any_chain_holds_and_any_swap_breaks_it(rows: list[tuple[str, str, object]], data: st.DataObject) -> None:
    log = AuditLog(open_store("sqlite://"))
    for who, reason, value in rows:
        log.add(Change("policy.write", "chat", who, reason, NOW_S, None, value))
    entries = oldest_first(log)
    assert verify(entries).broken is None
    if len(entries) > 1:
        order = data.draw(st.permutations(entries).filter(lambda found: found != entries))
        assert verify(order).broken is not None


def test_writers_in_several_threads_make_one_chain(engine: sa.Engine) -> None:
    logs = [AuditLog(engine) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: logs[number % 3].add(change(number)), range(40)))
    assert (logs[0].verify().entries, logs[0].verify().broken) == (40, None)


def test_entries_are_found_by_what_they_say(chain: AuditLog) -> None:
    chain.add(change(9, action="token.create", subject="ci", who="bob"))
    assert [entry.subject for entry in chain.list(Wanted(action="token.create"))] == ["ci"]
    assert [entry.seq for entry in chain.list(Wanted(who="bob"))] == [6]
    assert [entry.seq for entry in chain.list(Wanted(text="REASON 2"))] == [3]
    assert chain.list(Wanted(text="%")) == [] and chain.list(Wanted(text="_eason")) == []
    assert [entry.seq for entry in chain.list(Wanted(start_s=NOW_S + 1, end_s=NOW_S + 3))] == [3, 2]
    assert [entry.seq for entry in chain.list(limit=2, before_seq=4)] == [3, 2]


def test_whoever_was_let_in_is_who_did_it(engine: sa.Engine) -> None:
    with acts(Actor("ada", "token 1", "10.0.0.9")):
        entry = AuditLog(engine).add(change(0, who="mallory"))
    assert (entry.who, entry.by, entry.address) == ("ada", "token 1", "10.0.0.9")


def test_a_policy_and_its_entry_are_one(engine: sa.Engine) -> None:
    policies, log = PolicyStore(engine), AuditLog(engine)
    policies.seed("chat", Policy(), NOW_S)
    policies.write("chat", MORE, 1, "ada", "peak", NOW_S)
    newest = log.list()[0]
    assert (newest.action, newest.subject, newest.who, newest.reason) == ("policy.write", "chat", "ada", "peak")
    assert json.loads(newest.before)["replicas"]["max"] != json.loads(newest.after)["replicas"]["max"] == 9
    with pytest.raises(StaleWrite):
        policies.write("chat", MORE, 1, "eve", "late", NOW_S)
    assert len(log.list()) == 2


def test_what_cannot_be_sealed_does_not_happen(engine: sa.Engine) -> None:
    policies = PolicyStore(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table audit"))
    with pytest.raises(sa.exc.DatabaseError):
        policies.write("chat", MORE, 0, "ada", "peak", NOW_S)
    assert policies.current("chat") is None


def test_overrides_are_sealed_when_made_and_when_lifted_and_not_twice(engine: sa.Engine) -> None:
    overrides, log = OverrideStore(engine), AuditLog(engine)
    made = overrides.make("chat", Kind.PIN, 3, NOW_S, NOW_S + 60, "ada", "peak")
    overrides.lift(made.id, NOW_S + 1, "bob")
    overrides.lift(made.id, NOW_S + 2, "eve")
    assert [(entry.action, entry.who) for entry in log.list()] == [("override.lift", "bob"), ("override.make", "ada")]
