"""Reading an answer as it passes: how many tokens are in it, and whether it came to its end. Pure.

Events of a stream end with an empty line, and JSON has no line breaks of its own, so counting those counts events:
one a token, and one more for its end; what the engine says of usage goes before.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

DONE = b"[DONE]"
ERROR = re.compile(rb'data: ?\{\s*"error"')
TAIL_BYTES = 4096
_USAGE = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})')


@dataclass(slots=True)
class Answer:
    """What passed so far; ``tail`` are its last bytes."""

    streamed: bool
    tokens: int = 0
    tail: bytes = b""

    def take(self, piece: bytes) -> int:
        """Note a piece; gives the tokens in it."""
        carry = b"\n" if self.tail.endswith(b"\n") and not self.tail.endswith(b"\n\n") else b""
        events = (carry + piece).count(b"\n\n") if self.streamed else 0
        self.tail = (self.tail + piece)[-TAIL_BYTES:]
        self.tokens += events
        return events

    @property
    def whole(self) -> bool:
        """Whether nothing is missing at the end of a stream."""
        return not self.streamed or self.tail.rstrip().endswith(DONE)

    @property
    def told(self) -> bool:
        """Whether the engine itself said that it failed."""
        return ERROR.search(self.tail) is not None

    @property
    def output_tokens(self) -> int:
        """Tokens written: as the engine says, or one an event."""
        if found := _USAGE.findall(self.tail):
            return int(found[-1])
        return max(0, self.tokens - 1) if self.streamed else 0


def error_body(message: str, status: int) -> bytes:
    """An error as OpenAI's clients read it."""
    return json.dumps({"error": {"message": message, "type": "router_error", "code": status}}).encode()


def error_event(message: str) -> bytes:
    """The end of a stream that broke: an error, and no ``[DONE]``."""
    return b"data: " + error_body(message, 502) + b"\n\n"
