"""An engine that writes one story, as vLLM streams it: from wherever a prompt, ids or text, has come to in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SAID = [
    b" on",
    b"ce",
    b" upon",
    b" \xe4\xbd",
    b"\xa0",
    b"\n\n",
    b'"token_ids":[1]',
    b" \\",
    b" a",
    b" ti",
    b"me",
    b" \xf0",
]
SAID += [b"\x9f\x99", b"\x82", b" END", b" END", b" there", b" was", b" o", b"ne"]
STORY = b"".join(SAID).decode()
PROMPT, PROMPT_IDS, FIRST_ID, PIECE_ID, EOS = "Tell me.", [7, 8, 9], 100, 900, 2
Token = tuple[int, bytes]


def rest(prompt: str | list[int]) -> tuple[list[Token], int, bytes]:
    """What is still to be written, the tokens of the prompt, and half a character at its end."""
    tokens = [(FIRST_ID + i, said) for i, said in enumerate(SAID)]
    if not isinstance(prompt, str):
        told = prompt[len(PROMPT_IDS) :]
        assert prompt[: len(PROMPT_IDS)] == PROMPT_IDS
        at = sum(len(dict(tokens).get(each, b"")) for each in told)
    else:
        assert prompt.startswith(PROMPT) and STORY.startswith(prompt[len(PROMPT) :])
        at = len(prompt[len(PROMPT) :].encode())
    left, passed = [], 0
    for token, said in tokens:
        begun = max(0, at - passed)
        if begun < len(said):
            left.append((PIECE_ID if begun else token, said[begun:]))
        passed += len(said)
    half = b"".join(SAID)[:at].decode(errors="ignore").encode()
    written = len(SAID) - len(left) + any(token == PIECE_ID for token, _ in left)
    return [*left, (EOS, b"")], len(PROMPT_IDS) + written, b"".join(SAID)[len(half) : at]


@dataclass
class Author:
    """``group`` tokens come in an event; one that ``knows`` no ids gives none. ``asked`` are the bodies that came."""

    group: int = 1
    knows: bool = True
    name: str = "one"
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def stream(self, path: str, body: Mapping[str, Any]) -> bytes:
        """The whole stream."""
        self.asked.append((path, body))
        return b"".join(b"data: " + data + b"\n\n" for data in self._data(path, body))

    def _data(self, path: str, body: Mapping[str, Any]) -> Iterator[bytes]:
        chat = path.endswith("chat/completions")
        tokens, prompt_tokens, half = rest(self._prompt(body) if chat else body["prompt"])
        most = body.get("max_completion_tokens") or body.get("max_tokens") or (10**6 if chat else 16)
        head = {"id": self.name, "object": "chat.completion.chunk" if chat else "text_completion", "created": 1}
        head |= {"model": "chat"}
        ids = bool(body.get("return_token_ids")) and self.knows
        prompt = [*PROMPT_IDS, *([] if chat else [0] * (prompt_tokens - 3))]
        if chat:
            said = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            yield dumped(head | {"choices": [said], "prompt_token_ids": prompt if ids else None})
        count, sent, events = 0, 0, list(self._events(tokens[:most], body, b"" if chat else half))
        for place, (chosen, text, reason) in enumerate(events):
            count += len(chosen)
            shown: dict[str, Any] = {"delta": {"content": text[sent:]}} if chat else {"text": text[sent:]}
            if not chat:
                shown["prompt_token_ids"] = prompt if ids and not place else None
            sent = max(sent, len(text))
            choice = {"index": 0, **shown, "finish_reason": reason, "token_ids": chosen if ids else None}
            yield dumped(head | {"choices": [choice]})
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": prompt_tokens, "completion_tokens": count, "total_tokens": prompt_tokens + count}
            yield dumped(head | {"choices": [], "usage": usage})
        yield b"[DONE]"

    def _events(
        self, tokens: list[Token], body: Mapping[str, Any], half: bytes
    ) -> Iterator[tuple[list[int], str, str | None]]:
        """Ids, all text that may be shown by now, and why it ends."""
        stop = body.get("stop")
        lag = len(stop) - 1 if stop and not body.get("include_stop_str_in_output") else 0
        text, pending = "", b"\xff" if half else b""  # what began before this prompt's end cannot be finished
        for start in range(0, len(tokens), self.group):
            group = tokens[start : start + self.group]
            for _, said in group:
                pending += said
                if (shown := _decoded(pending)) is not None:
                    text, pending = text + shown, b""
            ids = [token for token, _ in group]
            if stop and stop in text:
                yield ids, text[: text.index(stop) + (len(stop) if lag == 0 else 0)], "stop"
                return
            last = start + self.group >= len(tokens)
            text += pending.decode(errors="replace") if last else ""
            reason = ("stop" if group[-1][0] == EOS else "length") if last else None
            yield ids, text if last else text[: max(0, len(text) - lag)], reason

    def _prompt(self, body: Mapping[str, Any]) -> str:
        """A chat as its template would have it."""
        last = body["messages"][-1]
        if not body.get("continue_final_message"):
            return PROMPT
        assert (last["role"], body["add_generation_prompt"]) == ("assistant", False)
        return PROMPT + str(last["content"])


def _decoded(said: bytes) -> str | None:
    """As text; None where it ends in half a character, and all of it waits."""
    try:
        return said.decode()
    except UnicodeDecodeError:
        return None


def dumped(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


@dataclass
class View:
    """What a client makes of a stream."""

    text: str = ""
    heads: set[tuple[Any, ...]] = field(default_factory=set, compare=False)
    roles: int = 0
    reasons: list[str] = field(default_factory=list)
    usage: list[dict[str, int]] = field(default_factory=list)
    done: int = 0

    @classmethod
    def of(cls, content: bytes) -> View:
        """Raises where an event makes no sense."""
        view = cls()
        *events, end = content.split(b"\n\n")
        assert end == b""
        for event in events:
            assert event.startswith(b"data: ")
            view._event(event[6:])
        assert len(view.heads) == 1
        return view

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.done += 1
            return
        event = json.loads(data)
        self.heads.add(tuple(event[key] for key in ("id", "object", "created", "model")))
        self.usage += [event["usage"]] if event.get("usage") else []
        for choice in event["choices"]:
            delta = choice.get("delta", {})
            self.text += choice.get("text") or delta.get("content") or ""
            self.roles += "role" in delta
            assert not choice.get("token_ids")
            self.reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
