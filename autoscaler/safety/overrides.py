"""What operators decide by hand, for a while: freeze a service, pin its replicas, or hold at least so many. Pure.

An override names who made it, why, and when it ends, so that none is forgotten; it is kept in the store and in what a
decision is made from, so it survives a restart and is seen in every explanation. The strongest wins: a freeze (nothing
changes at all) over a pin (so many active replicas, whatever is needed) over a floor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

FLEET = "*"
"""Stands for every service."""


class Kind(StrEnum):
    """What an override does."""

    FREEZE = "freeze"
    PIN = "pin"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class Override:
    """One override: from ``starts_at_s`` up to, not including, ``until_s``, UTC seconds.

    ``service`` is a name or ``FLEET``; ``replicas`` is None for a freeze.
    """

    id: str
    service: str
    kind: Kind
    replicas: int | None
    starts_at_s: float
    until_s: float
    author: str
    reason: str

    def covers(self, service: str, now_s: float) -> bool:
        """Whether it is in force for that service now."""
        return self.service in (service, FLEET) and self.starts_at_s <= now_s < self.until_s


@dataclass(frozen=True, slots=True)
class InForce:
    """The overrides that count now, one of a kind: any freeze, the newest pin, the highest floor."""

    freeze: Override | None = None
    pin: Override | None = None
    at_least: Override | None = None


def in_force(overrides: Iterable[Override], service: str, now_s: float) -> InForce:
    """What counts for a service now."""
    now = [override for override in overrides if override.covers(service, now_s)]
    by_kind = {kind: [override for override in now if override.kind is kind] for kind in Kind}
    return InForce(
        freeze=max(by_kind[Kind.FREEZE], key=lambda o: o.until_s, default=None),
        pin=max(by_kind[Kind.PIN], key=lambda o: o.starts_at_s, default=None),
        at_least=max(by_kind[Kind.AT_LEAST], key=lambda o: o.replicas or 0, default=None),
    )


def spoken(override: Override, now_s: float) -> str:
    """In words: what, by whom, why, and for how much longer."""
    what = {
        Kind.FREEZE: "nothing may change",
        Kind.PIN: f"pinned to {override.replicas}",
        Kind.AT_LEAST: f"at least {override.replicas}",
    }[override.kind]
    left = duration(override.until_s - now_s)
    return f"{what} for {left} more, says {override.author} ({override.reason})"


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``2 h 30 min``, ``3 days``: two units at most."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours / 24:.0f} days"
