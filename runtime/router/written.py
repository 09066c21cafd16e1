"""What a stream has said so far, read from its events: its text, its token ids where the engine gives them, its end.
Pure.

Engines may hold text back behind the tokens: for half a character, or so that a stop string can still be cut away. What
counts as said is what the client was sent, so ``kept`` tokens are those that stand wholly within the text.
"""

from __future__ import annotations

import json
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DONE = "[DONE]"
HEAD = ("id", "object", "created", "model")
THOUGHT = ("reasoning", "reasoning_content")
MOST_BYTES = 2**20
"""Of text and ids; a stream that said more is not continued."""


@dataclass(frozen=True, slots=True)
class Mark:
    """So many tokens stand for so many characters; ``alone`` where the last came by itself, so that no part of a
    character can hang on it.
    """

    characters: int
    tokens: int
    alone: bool


def blocks(content: bytes) -> Iterator[str]:
    """The data of each whole event, comments left out."""
    for block in content.decode(errors="replace").replace("\r\n", "\n").split("\n\n"):
        lines = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
        if lines:
            yield "\n".join(lines)


@dataclass(slots=True)
class Written:
    """``lag`` is how many characters the engine holds back. ``strange`` is what cannot be gone on from: calls of tools,
    events that make no sense, or too much; ``thinking`` while reasoning is not over. What a replica says of the prompt
    is believed until the first ``cut`` has ``sealed`` it: later prompts are longer. ``retold`` is a text that went on
    as text, whose ids are no longer known.
    """

    lag: int = 0
    head: dict[str, Any] = field(default_factory=dict)
    prompt_ids: array[int] | None = None
    prompt_tokens: int | None = None
    ids: array[int] = field(default_factory=lambda: array("I"))
    tokens: int = 0
    texts: list[str] = field(default_factory=list)
    characters: int = 0
    marks: deque[Mark] = field(default_factory=deque)
    role: bool = False
    thought: bool = False
    thinking: bool = False
    strange: bool = False
    sealed: bool = False
    retold: bool = False
    finished: bool = False
    billed: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.texts)

    @property
    def kept(self) -> int:
        """Tokens that stand within the text."""
        return self.marks[0].tokens if self.marks and self.marks[0].characters <= self.characters else 0

    @property
    def exact(self) -> bool:
        """Whether the first ``kept`` ids are the text, no more and no less."""
        whole = bool(self.marks) and self.marks[0].alone and self.lag == 0
        return self.prompt_ids is not None and len(self.ids) == self.tokens and whole and not self.retold

    def read(self, content: bytes) -> None:
        """Note these whole events."""
        for data in blocks(content):
            if data == DONE or self.strange:
                continue
            try:
                event = json.loads(data)
            except ValueError:
                event = None
            if isinstance(event, dict):
                self.note(event)
            else:
                self.strange = True
        self.texts[:] = [self.text]

    def note(self, event: Mapping[str, Any]) -> None:
        """One event."""
        self.head = self.head or {key: event[key] for key in HEAD if key in event}
        self._prompt(event.get("prompt_token_ids"))
        usage, choices = event.get("usage"), event.get("choices")
        if isinstance(usage, dict):
            self.billed = self.billed or not choices
            if not self.sealed:
                self.prompt_tokens = self.prompt_tokens or usage.get("prompt_tokens")
        for choice in choices if isinstance(choices, list) else ():
            self._choice(choice)

    def cut(self, by_ids: bool) -> None:
        """The stream was lost, and goes on from its ids or from its text."""
        kept = self.kept
        self.sealed = self.sealed or self.characters > 0
        del self.ids[kept:]
        self.retold = self.retold or not by_ids
        self.tokens = kept
        self.marks = deque([Mark(self.characters, kept, True)])

    def _prompt(self, ids: Any) -> None:
        if self.prompt_ids is None and not self.sealed and isinstance(ids, list):
            self.prompt_ids, self.prompt_tokens = array("I", ids), len(ids)

    def _choice(self, choice: Mapping[str, Any]) -> None:
        self._prompt(choice.get("prompt_token_ids"))
        text = choice.get("text") or ""
        if isinstance(delta := choice.get("delta"), dict):
            text = delta.get("content") or ""
            self._delta(delta)
        ids = choice.get("token_ids")
        count = int(bool(text))
        if isinstance(ids, list):
            self.ids.extend(ids)
            count = len(ids)
        self.tokens += count
        if text:
            self._say(text, count)
        self.finished = self.finished or choice.get("finish_reason") is not None
        if self.characters + 4 * len(self.ids) > MOST_BYTES:
            self.strange = True
            self.texts.clear()
            del self.ids[:]

    def _delta(self, delta: Mapping[str, Any]) -> None:
        self.role = self.role or "role" in delta
        thought = any(delta.get(key) for key in THOUGHT)
        self.thought = self.thought or thought
        if thought or delta.get("content"):
            self.thinking = thought and not delta.get("content")
        if any(value for key, value in delta.items() if key not in ("role", "content", *THOUGHT)):
            self.strange = True

    def _say(self, text: str, tokens: int) -> None:
        self.texts.append(text)
        self.characters += len(text)
        self.marks.append(Mark(self.characters + self.lag, self.tokens, tokens == 1))
        while len(self.marks) > 1 and self.marks[1].characters <= self.characters:
            self.marks.popleft()
