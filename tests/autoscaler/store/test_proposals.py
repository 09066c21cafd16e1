"""A proposal is decided once, by somebody else, and only where a second person is asked for."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from autoscaler.policy import Policy
from autoscaler.store.audit import AuditLog, Wanted
from autoscaler.store.proposals import Decided, Outcome, OwnProposal, Proposal, ProposalStore, SecondPerson

POLICY = Policy.model_validate({"replicas": {"min": 2, "max": 8}})


@pytest.fixture
def engine() -> sa.Engine:
    return sa.create_engine("sqlite://", poolclass=sa.StaticPool)


@pytest.fixture
def store(engine: sa.Engine) -> ProposalStore:
    return ProposalStore(engine)


@pytest.fixture
def made(store: ProposalStore) -> Proposal:
    return store.make("chat", 1, POLICY, "ada", "a launch", 1800.0, 100.0)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ((), []),
        (("slo",), ["slo.ttft_s"]),
        (("replicas.max", "mode"), ["replicas.max"]),
        (("*",), ["replicas.max", "slo.ttft_s"]),
        (("replica",), []),
    ],
)
def test_a_rule_covers_fields_and_groups(fields: tuple[str, ...], asked: list[str]) -> None:
    new = POLICY.model_copy(
        update={
            "slo": POLICY.slo.model_copy(update={"ttft_s": 9.0}),
            "replicas": POLICY.replicas.model_copy(update={"max": 9}),
        }
    )
    assert SecondPerson(fields).asked_by(POLICY, new) == asked
    assert SecondPerson(fields).asked_by(POLICY, POLICY) == []


def test_what_is_made_is_kept(store: ProposalStore, made: Proposal) -> None:
    assert store.of("chat") == [made] == [store.get(made.id)]
    assert store.of("code") == []
    assert Policy.model_validate(made.policy) == POLICY


@pytest.mark.parametrize("outcome", [Outcome.APPROVED, Outcome.REFUSED])
def test_nobody_decides_on_their_own(store: ProposalStore, made: Proposal, outcome: Outcome) -> None:
    with pytest.raises(OwnProposal, match="somebody else has to decide"):
        store.decide(made.id, outcome, " Ada ", "fine", 200.0)
    assert store.decide(made.id, Outcome.WITHDRAWN, "ada", "not now", 200.0).outcome is Outcome.WITHDRAWN


def test_only_the_author_withdraws(store: ProposalStore, made: Proposal) -> None:
    with pytest.raises(OwnProposal, match="only ada"):
        store.decide(made.id, Outcome.WITHDRAWN, "bob", "no", 200.0)


def test_it_is_decided_once(store: ProposalStore, made: Proposal) -> None:
    store.decide(made.id, Outcome.REFUSED, "bob", "too dear", 200.0)
    with pytest.raises(Decided, match="refused by bob already: too dear"):
        store.decide(made.id, Outcome.APPROVED, "eve", "fine", 201.0)
    with pytest.raises(KeyError):
        store.decide("nobody", Outcome.APPROVED, "eve", "fine", 201.0)


def test_all_of_it_is_in_the_audit(store: ProposalStore, made: Proposal, engine: sa.Engine) -> None:
    store.decide(made.id, Outcome.APPROVED, "bob", "fine", 200.0)
    entries = AuditLog(engine).list(Wanted(), 10)
    assert [(e.action, e.who) for e in entries] == [("policy.approve", "bob"), ("policy.propose", "ada")]
