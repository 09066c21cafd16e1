"""Policies and their history: who changed what, when and why, and never over somebody else's change.

Versions of a service count 1, 2, 3, … and are never altered. A write names the version it was made from;
where that is no longer the newest it is refused as a whole (``StaleWrite``), which the unique key (service,
version) holds even between processes. A rollback is a new version with an old content.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from autoscaler.policy import Policy
from autoscaler.store import audit
from autoscaler.store.audit import AuditLog
from collectors.store import prepare

METADATA = sa.MetaData()

POLICIES = sa.Table(
    "policies",
    METADATA,
    sa.Column("service", sa.String(120), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("at_s", sa.Double, nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("policy", sa.JSON, nullable=False),
)


class StaleWrite(Exception):
    """The policy was changed meanwhile; ``newest`` is the version to start from."""

    def __init__(self, service: str, base_version: int, newest: int) -> None:
        super().__init__(
            f"policy of {service}: this change was made from version {base_version}, but version {newest} is the "
            "newest; look at what changed and make it again from there"
        )
        self.newest = newest


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one service's policy."""

    service: str
    version: int
    at_s: float
    author: str
    reason: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs, by its dotted name."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Diff:
    """Two policies against each other."""

    changes: tuple[Change, ...]
    yaml_diff: str


class PolicyStore:
    """Versioned policies in a SQL database; creates its table where it is missing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._audit = AuditLog(engine)
        prepare(engine, METADATA)

    def seed(self, service: str, policy: Policy, now_s: float = 0.0) -> Version:
        """The configured policy becomes version 1 where the service has none; gives the current one."""
        newest = self.current(service)
        if newest is not None:
            return newest
        return self.write(service, policy, 0, "configuration", "first version, from the configuration", now_s)

    def current(self, service: str) -> Version | None:
        """The newest version, or None where the service is not known."""
        newest = self.history(service, limit=1)
        return newest[0] if newest else None

    def history(self, service: str, limit: int = 1000) -> list[Version]:
        """All versions, newest first."""
        query = sa.select(POLICIES).where(POLICIES.c.service == service).order_by(POLICIES.c.version.desc())
        with self._engine.connect() as connection:
            return [_version(row) for row in connection.execute(query.limit(limit)).mappings()]

    def services(self) -> list[str]:
        """Services that have a policy, in order."""
        with self._engine.connect() as connection:
            return list(connection.scalars(sa.select(POLICIES.c.service).distinct().order_by(POLICIES.c.service)))

    def write(self, service: str, policy: Policy, base_version: int, author: str, reason: str, now_s: float) -> Version:
        """Make the next version. Raises StaleWrite where ``base_version`` is not the newest (0: there is
        none).
        """
        made = Version(service, base_version + 1, now_s, author, reason, policy)
        row = {**{name: getattr(made, name) for name in ("service", "version", "at_s", "author", "reason")}}
        newest = self.current(service)
        if base_version != (newest.version if newest else 0):
            raise StaleWrite(service, base_version, newest.version if newest else 0)
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(POLICIES), row | {"policy": policy.model_dump(mode="json")})
                self._audit.write(connection, _change(newest, made))
        except sa.exc.IntegrityError as error:
            raise StaleWrite(service, base_version, self._newest_version(service)) from error
        return made

    def rollback(
        self, service: str, to_version: int, base_version: int, author: str, reason: str, now_s: float
    ) -> Version:
        """Make a new version with the content of an old one. Raises KeyError where that does not exist."""
        old = next((v for v in self.history(service) if v.version == to_version), None)
        if old is None:
            raise KeyError(f"policy of {service} has no version {to_version}")
        return self.write(service, old.policy, base_version, author, reason, now_s)

    def _newest_version(self, service: str) -> int:
        newest = self.current(service)
        return 0 if newest is None else newest.version


def diff(old: Policy, new: Policy) -> Diff:
    """What differs, field by field and as unified YAML."""
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    changes = tuple(
        Change(field, before.get(field), after.get(field))
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    )
    lines = difflib.unified_diff(as_yaml(old).splitlines(), as_yaml(new).splitlines(), "old", "new", lineterm="")
    return Diff(changes, "\n".join(lines))


def as_yaml(policy: Policy) -> str:
    """The policy as YAML, in the order of its fields."""
    return yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False)


def check(draft: Mapping[str, Any]) -> list[str]:
    """What is wrong with a draft, one line each (``field: what is wrong``); empty where nothing is."""
    try:
        Policy.model_validate(draft)
    except ValidationError as error:
        return [_line(detail) for detail in error.errors()]
    return []


def _line(detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        parent = ".".join(str(part) for part in detail["loc"][:-1])
        known = Policy.model_fields if not parent else _section_fields(parent)
        return f"{where}: no such key; known are {', '.join(known)}"
    if detail["type"] == "value_error":
        return f"{where}: {message}" if where else message
    return f"{where}: {message}; got {detail['input']!r}"


def _section_fields(parent: str) -> list[str]:
    section = Policy.model_fields[parent].annotation
    return list(getattr(section, "model_fields", {}))


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _change(old: Version | None, new: Version) -> audit.Change:
    before, after = (None if v is None else v.policy.model_dump(mode="json") for v in (old, new))
    return audit.Change("policy.write", new.service, new.author, new.reason, new.at_s, before, after)


def _version(row: Mapping[Any, Any]) -> Version:
    return Version(
        row["service"],
        row["version"],
        row["at_s"],
        row["author"],
        row["reason"],
        Policy.model_validate(row["policy"]),
    )
