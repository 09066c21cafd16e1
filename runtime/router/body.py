"""Reading what a client sends, within bounds: its headers one by one, its body whole."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope

from runtime.router.spec import Limits

DISCARDED_BYTES = 64 * 2**20
"""How much of a body that is too large is still read: a client that writes would see a reset and not our answer."""


class ClientLeft(Exception):
    """The client is gone before its request was whole."""


class Unreadable(Exception):
    """A body that is too large or too slow."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """The whole body; raises ``Unreadable``. One that is too large is read on and thrown away, up to a bound."""
    too_large = Unreadable(413, f"the body is larger than {limits.body_bytes} bytes")
    most = limits.body_bytes + DISCARDED_BYTES
    declared = header(scope, b"content-length") or ""
    if declared.isdecimal() and int(declared[:20]) > most:
        raise too_large
    content, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.body_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                piece = message.get("body", b"")
                size += len(piece)
                if size <= limits.body_bytes:
                    content += piece
                else:
                    content.clear()
                if size > most or (size > limits.body_bytes and not message.get("more_body")):
                    raise too_large
                if not message.get("more_body"):
                    return bytes(content)
    except TimeoutError:
        raise Unreadable(408, f"the body did not come within {limits.body_s:g} s") from None


def header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
