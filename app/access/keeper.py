"""Who asks: from a request's credential to a principal, by whatever the settings let in.

Promise: a credential that is not valid is refused, never taken for none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.access.principal import ANYBODY, NotLetIn, Principal, Role
from app.access.tokens import TokenStore, is_token

MISSING = "who asks? give Authorization: Bearer TOKEN (leadtime token create makes one)"
UNKNOWN = "the credential is not valid"


class Keeper(Protocol):
    """Tells who asks."""

    async def principal(self, credential: str | None) -> Principal:
        """Whose the bearer credential is; None is for no credential. Raises ``NotLetIn``."""
        ...


class Open:
    """Lets everybody in, as on a loopback address of one's own."""

    async def principal(self, credential: str | None) -> Principal:
        """Anybody."""
        return ANYBODY


@dataclass(frozen=True, slots=True)
class Keys:
    """Tokens of the store and of an identity provider, and perhaps readers that nobody knows."""

    tokens: TokenStore | None
    others: tuple[Keeper, ...] = ()
    anonymous: Role | None = None
    clock: Callable[[], float] = time.time

    async def principal(self, credential: str | None) -> Principal:
        """See ``Keeper``."""
        if credential is None:
            if self.anonymous is None:
                raise NotLetIn(MISSING)
            return Principal("anonymous", self.anonymous, "nothing")
        if self.tokens is not None and is_token(credential):
            return await asyncio.to_thread(self.tokens.principal, credential, self.clock())
        for keeper in self.others:
            return await keeper.principal(credential)
        raise NotLetIn(UNKNOWN)
