"""The thread of one stream that may run through several replicas, of which its client sees one. Pure.

Promises: only whole events are passed on, so that nothing is half said when a replica is lost; of the first replica's
events not a byte is changed but the token ids that the router asked for and the client did not; those of the next ones
bear the first one's names, tell no role again, and count what all have written. Events are kept as they came and
read only when they are many or the replica is lost: a stream that does not fail costs next to nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.router import continuation
from runtime.router.answer import ERROR, error_event
from runtime.router.continuation import CHAT, Next
from runtime.router.written import DONE, Written, blocks

ASKED = b"return_token_ids"
IDS, NO_IDS = re.compile(rb'token_ids":\s*\[[\d,\s]*\]'), b'token_ids":null'
"""Never within a text: there a quotation mark has a backslash before it."""

RAW_BYTES = 2**15
LONGEST_EVENT = 2**22
_END, _OTHER_END = b"\n\n", b"\r\n\r\n"


@dataclass(slots=True)
class Thread:
    """``content`` and ``body`` are the client's; ``leg`` counts the replicas before this one; ``told`` is an error that
    the engine told and that was not passed on.
    """

    path: str
    content: bytes
    body: Mapping[str, Any]
    written: Written
    next: Next | None = None
    leg: int = 0
    base: int = 0
    first_s: float | None = None
    told: bytes = b""
    partial: bytes = b""
    raw: list[bytes] = field(default_factory=list)
    raw_bytes: int = 0
    loose: bool = False

    @classmethod
    def of(cls, path: str, body: Mapping[str, Any], content: bytes) -> Thread | None:
        """That of a request; None where it could not go on elsewhere."""
        if not continuation.permitted(path, body, len(content)):
            return None
        return cls(path, content, body, Written(continuation.lag(body)))

    def request(self, strict: bool) -> tuple[str, bytes]:
        """Path and body for the replica that is next; one that is strict knows no token ids."""
        if self.next is not None:
            more = {} if strict else {"return_token_ids": True}
            return self.next.path, json.dumps({**self.next.body, **more}).encode()
        end = self.content.rstrip()
        if strict or "return_token_ids" in self.body or not end.endswith(b"}"):
            return self.path, self.content
        return self.path, end[:-1] + b',"return_token_ids":true}'

    def take(self, piece: bytes) -> bytes:
        """What can be passed on, a piece having come."""
        if self.loose:
            return piece
        if self.partial or not piece.endswith(_END):
            piece = self._whole(piece)
            if not piece or self.loose:
                return piece
        if b'"error"' in piece and (found := ERROR.search(piece)):
            piece, self.told = piece[: found.start()], piece[found.start() :]
        if self.leg:
            return b"".join(self._spliced(data) for data in blocks(piece) if not self.written.strange)
        if not self.written.strange:
            self.raw.append(piece)
            self.raw_bytes += len(piece)
            if self.raw_bytes > RAW_BYTES:
                self._read()
        return IDS.sub(NO_IDS, piece) if b"oken_ids" in piece else piece

    def lost(self) -> None:
        """The replica is gone: what it left unfinished is forgotten."""
        self._read()
        self.partial = b""

    def go_on(self) -> bool:
        """Turn to the next replica; False where that cannot be."""
        self.next = None if self.loose else continuation.onward(self.path, self.body, self.written)
        if self.next is None:
            return False
        self.written.cut(self.next.by_ids)
        self.base = self.written.kept
        self.leg += 1
        self.told = b""
        return True

    @property
    def over(self) -> bool:
        """Whether everything is said, though not that it is."""
        return self.written.finished or (self.next is not None and self.next.left is not None and self.next.left <= 0)

    def close(self) -> bytes:
        """What is missing at the end of a stream that is over; no usage where the prompt's was never told."""
        made = b"" if self.written.finished else _event({**self.written.head, "choices": [self._said("", "length")]})
        options, prompt = self.body.get("stream_options"), self.written.prompt_tokens
        asked = isinstance(options, dict) and options.get("include_usage")
        if asked and not self.written.billed and prompt is not None:
            counts = _counts(prompt, self.written.tokens)
            made += _event({**self.written.head, "choices": [], "usage": counts})
        return made + b"data: [DONE]\n\n"

    def _whole(self, piece: bytes) -> bytes:
        """The whole events of what is there; the rest waits. What grows beyond bounds is passed on as it is."""
        piece = self.partial + piece
        ends = [at + len(mark) for mark in (_END, _OTHER_END) if (at := piece.rfind(mark)) >= 0]
        end = max(ends, default=0)
        self.partial = piece[end:]
        if len(self.partial) > LONGEST_EVENT:
            self.loose, self.partial, self.raw = True, b"", []
            return piece
        return piece[:end]

    def _read(self) -> None:
        self.written.read(b"".join(self.raw))
        self.raw.clear()
        self.raw_bytes = 0

    def _spliced(self, data: str) -> bytes:
        """An event of a later replica, as the first would have sent it."""
        if data == DONE:
            return b"data: [DONE]\n\n"
        event = _parsed(data)
        if event is None:
            self.written.strange, self.told = True, error_event("the replica's events make no sense")
            return b""
        said = self.written.role
        self.written.note(event)
        choices = [made for choice in event.get("choices") or () if (made := self._choice(choice, said))]
        usage = self._usage(event.get("usage"))
        if not choices and usage is None:
            return b""
        made = {**event, **self.written.head, "choices": choices}
        made.pop("prompt_token_ids", None)
        return _event(made if usage is None else {**made, "usage": usage})

    def _choice(self, choice: Mapping[str, Any], said: bool) -> dict[str, Any] | None:
        kept = {key: value for key, value in choice.items() if key not in ("text", "delta", "prompt_token_ids")}
        if "token_ids" in kept:
            kept["token_ids"] = None
        if isinstance(delta := choice.get("delta"), dict):
            shown = {key: value for key, value in delta.items() if key != "role" or not said}
        else:
            text = choice.get("text") or ""
            shown = {"content": text} if self.path == CHAT else {"text": text}
        if choice.get("finish_reason") is None and not any(shown.values()):
            return None
        return {**kept, "delta": shown} if self.path == CHAT else {**kept, **shown}

    def _said(self, text: str, reason: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"delta": {"content": text}} if self.path == CHAT else {"text": text}
        return {"index": 0, **shown, "logprobs": None, "finish_reason": reason}

    def _usage(self, usage: Any) -> dict[str, Any] | None:
        """Of all replicas together: their prompts hold what was written before."""
        if not isinstance(usage, dict):
            return None
        prompt = self.written.prompt_tokens
        if prompt is None:
            prompt = usage.get("prompt_tokens", 0) - self.base
        return {**usage, **_counts(prompt, self.base + usage.get("completion_tokens", 0))}


def _parsed(data: str) -> dict[str, Any] | None:
    try:
        event = json.loads(data)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _counts(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _event(event: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + _END
