"""One brain: of several daemons one leads, decides and acts; the others look on and are ready.

A follower observes, thinks and answers as the leader does, from the leader's own control state, and writes nothing: no
decision, no history, no policy. When it comes to lead it goes on from the store as after a restart: windows and targets
are as the last decision left them, what was perhaps not done is done, and nothing scales in during the first window.
Whoever loses the lead ends, which is the one way to be sure that nothing of it still acts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.daemon.parts import Daemon


class Leader(Protocol):
    """Tells whether this process may act."""

    @property
    def holder(self) -> str:
        """Who leads, as far as is known; empty where nobody is known to."""
        ...

    @property
    def address(self) -> str:
        """Where the API of who leads is, ``http://HOST:PORT``; empty where that is not known."""
        ...

    def leads(self) -> bool:
        """Whether it may, this moment."""
        ...

    async def acquire(self) -> None:
        """Wait until it leads."""
        ...

    async def keep(self) -> None:
        """Go on leading. Raises ``LostLease`` when that is over."""
        ...

    async def release(self) -> None:
        """Let another lead at once."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Alone:
    """The only daemon of its fleet: it leads always."""

    holder = ""
    address = ""

    def leads(self) -> bool:
        """Yes."""
        return True

    async def acquire(self) -> None:
        """At once."""

    async def keep(self) -> None:
        """For ever."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Nobody waits for it."""

    async def close(self) -> None:
        """Nothing is held."""


async def lead(daemon: Daemon) -> None:
    """Come to lead, tell the loop, and go on leading. Raises ``LostLease`` when that is over."""
    await daemon.leader.acquire()
    if not daemon.acting:
        daemon.memory.called.set()
    await daemon.leader.keep()


def acts(daemon: Daemon) -> bool:
    """Whether decisions are written and carried out: this daemon leads and has taken over."""
    return daemon.acting and daemon.leader.leads()
