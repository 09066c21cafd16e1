"""Who is acting: set by whoever let somebody in, read by whatever records a change.

Promise: while an actor with a name is set, no text in a request can sign with another name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """``name`` is None where nobody had to say who they are; ``by`` is how they were known, ``address`` from where."""

    name: str | None
    by: str
    address: str = ""


PROCESS = Actor(None, "process")
"""What the daemon or a command does by itself."""

_ACTING: ContextVar[Actor] = ContextVar("acting", default=PROCESS)


def acting() -> Actor:
    """Who acts now; threads started by ``asyncio.to_thread`` know it too."""
    return _ACTING.get()


@contextmanager
def acts(actor: Actor) -> Iterator[None]:
    """Let somebody act within the block."""
    token = _ACTING.set(actor)
    try:
        yield
    finally:
        _ACTING.reset(token)


def signature(claimed: str) -> str:
    """The name that a change is signed with: that of who was let in, else the one that was claimed."""
    return acting().name or claimed
