"""Changes of policy that need a second person: who proposed what, and who let it be or refused it.

A proposal is never altered, only decided, once, by somebody else than who made it. It is made from a version, and where
that is no longer the newest it is outdated and cannot be approved: approval holds for what was seen. Promise: a
decision and its line in the audit are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from autoscaler.policy import Policy
from autoscaler.store.audit import AuditLog, Change
from autoscaler.store.policies import diff
from collectors.store import prepare

METADATA = sa.MetaData()

PROPOSALS = sa.Table(
    "policy_proposals",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(120), nullable=False),
    sa.Column("base_version", sa.Integer, nullable=False),
    sa.Column("policy", sa.JSON, nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("watch_s", sa.Double, nullable=False),
    sa.Column("made_at_s", sa.Double, nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("decided_by", sa.String(200)),
    sa.Column("decided_at_s", sa.Double),
    sa.Column("decided_why", sa.Text),
    sa.Index("proposals_by_service", "service", "made_at_s"),
)


class Outcome(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal; ``policy`` as JSON, ``decided_*`` None while it is open."""

    id: str
    service: str
    base_version: int
    policy: Mapping[str, Any]
    author: str
    reason: str
    watch_s: float
    made_at_s: float
    outcome: Outcome = Outcome.OPEN
    decided_by: str | None = None
    decided_at_s: float | None = None
    decided_why: str | None = None


class Decided(Exception):
    """Somebody was faster; ``str(error)`` says what became of it."""


class OwnProposal(Exception):
    """Who proposes a change does not decide on it."""


@dataclass(frozen=True, slots=True)
class SecondPerson:
    """Which changes need one: dotted names of policy fields, or of groups of them; ``*`` is every field."""

    fields: tuple[str, ...] = ()

    def asked_by(self, old: Policy, new: Policy) -> list[str]:
        """The changed fields that need a second person."""
        changed = [change.field for change in diff(old, new).changes]
        return [name for name in changed if any(covers(rule, name) for rule in self.fields)]


def covers(rule: str, name: str) -> bool:
    """Whether a rule is about a field: ``slo`` covers ``slo.ttft_s``."""
    return rule == "*" or name == rule or name.startswith((f"{rule}.", f"{rule}["))


def same_person(one: str, other: str) -> bool:
    """Whether two signatures are one person's."""
    return one.strip().casefold() == other.strip().casefold()


@dataclass(frozen=True, slots=True)
class Approvals:
    """What needs a second person, and what is proposed."""

    rule: SecondPerson = field(default_factory=SecondPerson)
    store: ProposalStore | None = None


class ProposalStore:
    """Proposals in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._audit = AuditLog(engine)
        prepare(engine, METADATA)

    def make(
        self, service: str, base_version: int, policy: Policy, author: str, reason: str, watch_s: float, now_s: float
    ) -> Proposal:
        """Propose a policy."""
        content = policy.model_dump(mode="json")
        made = Proposal(uuid4().hex[:12], service, base_version, content, author, reason, watch_s, now_s)
        told = Change("policy.propose", service, author, reason, now_s, None, content)
        with self._engine.begin() as connection:
            connection.execute(sa.insert(PROPOSALS), asdict(made) | {"outcome": made.outcome.value})
            self._audit.write(connection, told)
        return made

    def get(self, id: str) -> Proposal | None:
        """One of them."""
        query = sa.select(PROPOSALS).where(PROPOSALS.c.id == id)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _proposal(row)

    def of(self, service: str, limit: int = 20) -> list[Proposal]:
        """Those of a service, newest first."""
        query = sa.select(PROPOSALS).where(PROPOSALS.c.service == service).order_by(PROPOSALS.c.made_at_s.desc())
        with self._engine.connect() as connection:
            return [_proposal(row) for row in connection.execute(query.limit(limit)).mappings()]

    def decide(self, id: str, outcome: Outcome, by: str, why: str, now_s: float) -> Proposal:
        """Decide one, once. Raises KeyError, ``Decided``, and ``OwnProposal`` for who may only withdraw."""
        found = self.undecided(id, outcome, by)
        told = Change(f"policy.{VERBS[outcome]}", found.service, by, why, now_s, None, dict(found.policy))
        change = sa.update(PROPOSALS).where(PROPOSALS.c.id == id, PROPOSALS.c.outcome == Outcome.OPEN.value)
        values = {"outcome": outcome.value, "decided_by": by, "decided_at_s": now_s, "decided_why": why}
        with self._engine.begin() as connection:
            if connection.execute(change.values(**values)).rowcount:
                self._audit.write(connection, told)
        done = self.get(id)
        assert done is not None, "proposals are never removed"
        if (done.decided_by, done.outcome) != (by, outcome):
            raise Decided(words(done))
        return done

    def undecided(self, id: str, outcome: Outcome, by: str) -> Proposal:
        """The open proposal, if this person may bring it to this end; raises as ``decide``."""
        found = self.get(id)
        if found is None:
            raise KeyError(f"there is no proposal {id}")
        if found.outcome is not Outcome.OPEN:
            raise Decided(words(found))
        own = same_person(found.author, by)
        if own and outcome is not Outcome.WITHDRAWN:
            raise OwnProposal(f"{found.author} proposed it; somebody else has to decide")
        if not own and outcome is Outcome.WITHDRAWN:
            raise OwnProposal(f"only {found.author}, who proposed it, can withdraw it; refuse it instead")
        return found


VERBS = {Outcome.APPROVED: "approve", Outcome.REFUSED: "refuse", Outcome.WITHDRAWN: "withdraw"}


def words(proposal: Proposal) -> str:
    """What became of it."""
    return f"the proposal was {proposal.outcome.value} by {proposal.decided_by} already: {proposal.decided_why}"


def _proposal(row: Mapping[Any, Any]) -> Proposal:
    return Proposal(**{**row, "outcome": Outcome(row["outcome"])})
