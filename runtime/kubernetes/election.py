"""Who leads, by a Lease that all contenders write to: the state of one contender. Pure.

Two never lead at once, whatever their clocks say, because nobody compares clocks. A leader counts from the moment at
which it *asked* for the renewal that was granted, and stops after ``deadline_s``. Anybody else counts from the moment
at which it *saw* the Lease change last, which is later, and takes over ``spare_s`` before the Lease's duration is over,
which is still longer. The difference is the time that a write of the old leader may still be on its way.

    asked ──▶ granted ──▶ seen            the leader stops at asked + deadline_s
                          └── another takes over at seen + duration_s - spare_s, or later

Between granted and seen lies at most one look (``retry_s``) and its answer; the spare makes up for both, so that nobody
is without a leader for longer than the Lease says: 2 s to see it, 27 s of waiting, and 1 s for the answers.

Every write bears the resourceVersion that was read, so of two that take over at once one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runtime.kubernetes.times import micro


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds. ``flight_s`` is the longest that a write may take until it is done or has failed, ``spare_s`` what is
    left of the duration for the time until others have seen that it began.
    """

    duration_s: float = 30.0
    deadline_s: float = 12.0
    retry_s: float = 2.0
    flight_s: float = 15.0
    spare_s: float = 3.0

    def __post_init__(self) -> None:
        if self.duration_s != int(self.duration_s) or self.duration_s < 1:
            raise ValueError(f"duration_s {self.duration_s:g} must be a whole number of seconds above 0")
        least = self.deadline_s + self.flight_s + self.spare_s
        if least > self.duration_s:
            said = "deadline_s + flight_s + spare_s"
            raise ValueError(f"duration_s {self.duration_s:g} must be at least {said}, {least:g}")
        if not 0 < self.retry_s < self.deadline_s:
            raise ValueError(f"retry_s {self.retry_s:g} must be above 0 and below deadline_s, {self.deadline_s:g}")
        if self.spare_s < self.retry_s:
            raise ValueError(
                f"spare_s {self.spare_s:g} must be at least retry_s, {self.retry_s:g}: a look may be so late"
            )


@dataclass(frozen=True, slots=True)
class Record:
    """A Lease as it is; ``holder`` is empty when it was released."""

    holder: str
    duration_s: float
    acquired: str
    renewed: str
    changes: int
    version: str


class Ask(StrEnum):
    """What a contender does next."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"


class Election:
    """One contender. ``identity`` is its own alone: one that starts again is another.

    Times named ``now_s`` are of this machine's monotonic clock; ``wall_s`` is only written down.
    """

    def __init__(self, identity: str, terms: Terms) -> None:
        self.identity = identity
        self.terms = terms
        self._known = False
        self._record: Record | None = None
        self._seen_s = 0.0
        self._until_s = float("-inf")
        self.lost = False
        """It has led and does no more; it never does again."""

    def leads(self, now_s: float) -> bool:
        """Whether a write may begin now."""
        return not self.lost and now_s < self._until_s

    def check(self, now_s: float) -> None:
        """Notice that the deadline has passed."""
        if self._until_s > float("-inf") and now_s >= self._until_s:
            self.lost = True

    @property
    def holder(self) -> str:
        """As last seen; empty where nobody holds it."""
        return self._record.holder if self._record else ""

    def ask(self, now_s: float) -> Ask:
        """The next request."""
        if not self._known:
            return Ask.READ
        record = self._record
        if record is None:
            return Ask.CREATE
        free = record.holder == "" or now_s >= self._over_s(record)
        return Ask.UPDATE if free or record.holder == self.identity else Ask.READ

    def wait_s(self, now_s: float) -> float:
        """How long until it is worth asking again: at once where it is free, exactly at its end where it expires."""
        if self._record is None or self._record.holder in ("", self.identity):
            return self.terms.retry_s
        left_s = self._over_s(self._record) - now_s
        return min(self.terms.retry_s, left_s) if left_s > 0 else self.terms.retry_s

    def _over_s(self, record: Record) -> float:
        """When whoever holds it has certainly stopped, and its writes have ended."""
        return self._seen_s + record.duration_s - self.terms.spare_s

    def read(self, record: Record | None, now_s: float) -> None:
        """The answer to a read: the Lease, or that there is none."""
        if self._record is None or record is None or record.version != self._record.version:
            self._seen_s = now_s
        self._known, self._record = True, record
        if self._until_s > float("-inf") and (record is None or record.holder != self.identity):
            self.lost = True

    def granted(self, record: Record, asked_s: float, now_s: float) -> None:
        """A write that was asked for at ``asked_s`` was done."""
        self._record, self._known, self._seen_s = record, True, now_s
        self._until_s = asked_s + self.terms.deadline_s

    def refused(self) -> None:
        """A write met another version: read again. It may have been a write of our own whose answer was lost."""
        self._known = False

    def body(self, name: str, namespace: str, wall_s: float) -> dict[str, Any]:
        """The Lease as we would have it."""
        record, now = self._record, micro(wall_s)
        ours = record is not None and record.holder == self.identity
        meta = {"name": name, "namespace": namespace}
        if record is not None:
            meta["resourceVersion"] = record.version
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(self.terms.duration_s),
            "acquireTime": record.acquired if record is not None and ours else now,
            "renewTime": now,
            "leaseTransitions": 0 if record is None else record.changes + (0 if ours else 1),
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}

    def release(self, name: str, namespace: str, wall_s: float) -> dict[str, Any] | None:
        """The Lease given back, so that another need not wait; None where it is not ours. Ends our lead."""
        ours = self._record is not None and self._record.holder == self.identity and not self.lost
        body = self.body(name, namespace, wall_s) if ours else None
        self.lost = True
        if body is not None:
            body["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        return body


def record(lease: dict[str, Any]) -> Record:
    """From the object. What was never set is missing."""
    spec = lease.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        duration_s=float(spec.get("leaseDurationSeconds") or 0),
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        changes=int(spec.get("leaseTransitions") or 0),
        version=lease["metadata"]["resourceVersion"],
    )
