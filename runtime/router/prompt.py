"""What a body asks for, as far as the router needs it: the model, how long the prompt is, and whom it belongs to.

Pure. Nothing is refused here but what cannot be routed; whether a body is right is for the engine to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.router.load import BLOCK_TOKENS, Asked, number

CHARACTERS_PER_TOKEN = 4
"""Of text; and so many bytes stand for a token id."""

PREFIX_BLOCKS = 4
"""Affinity looks at the first 256 tokens: a system prompt tells conversations apart, their newest turn does not."""

MOST_BLOCKS = 64
SESSION_HEADER = "x-session-id"


def read(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; raises ValueError with one line for anything else."""
    try:
        parsed = json.loads(body)
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise ValueError("the body is no JSON object")
    if not isinstance(parsed.get("model"), str):
        raise ValueError("model: give the name of a served model")
    return parsed


def asked(body: Mapping[str, Any], session: str | None = None) -> Asked:
    """The request as policies see it; ``session`` from the header goes before the body's ``user``."""
    prompt = b"".join(_pieces(body))
    who = session or body.get("user")
    blocks = _blocks(prompt)
    return Asked(
        max(1, -(-len(prompt) // CHARACTERS_PER_TOKEN)),
        _most_output(body),
        number(who) if isinstance(who, str) and who else 0,
        blocks[min(len(blocks), PREFIX_BLOCKS) - 1] if blocks else 0,
        blocks,
    )


def _most_output(body: Mapping[str, Any]) -> int | None:
    for key in ("max_completion_tokens", "max_tokens"):
        most = body.get(key)
        if isinstance(most, int) and most >= 0:
            return most
    return None


def _pieces(body: Mapping[str, Any]) -> Iterator[bytes]:
    """The prompt, four bytes a token: that of completions, of chat, and the input of embeddings."""
    for key in ("prompt", "input"):
        yield from _texts(body.get(key))
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else [content]:
            yield from _texts(part.get("text") if isinstance(part, dict) else part)


def _texts(value: Any) -> Iterator[bytes]:
    """A text, token ids, or a list of either."""
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, list) and value and isinstance(value[0], int):
        yield _ids(value)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item.encode("utf-8", "surrogatepass")
            elif isinstance(item, list):
                yield _ids(item)


def _ids(tokens: list[Any]) -> bytes:
    """Token ids as bytes; past the blocks that are hashed only their number matters."""
    head = [token & 0xFFFFFFFF if isinstance(token, int) else 0 for token in tokens[: MOST_BLOCKS * BLOCK_TOKENS]]
    return b"".join(token.to_bytes(CHARACTERS_PER_TOKEN, "big") for token in head) + bytes(
        CHARACTERS_PER_TOKEN * (len(tokens) - len(head))
    )


def _blocks(prompt: bytes) -> tuple[int, ...]:
    """Whole blocks of the beginning, each hashed together with everything before it."""
    size, chain, made = BLOCK_TOKENS * CHARACTERS_PER_TOKEN, b"", []
    for start in range(0, min(len(prompt) - size + 1, MOST_BLOCKS * size), size):
        block = number(chain + prompt[start : start + size])
        made.append(block)
        chain = block.to_bytes(8, "big")
    return tuple(made)
