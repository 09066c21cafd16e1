"""What is read from a body, and that nothing a client can send breaks the reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.router.prompt import asked, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("model", "prompt", "input", "messages", "max_tokens", "user")


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"prompt": "x" * 400}, 100),
        ({"prompt": [1, 2, 3]}, 3),
        ({"prompt": [[1, 2], [3, 4]]}, 4),
        ({"prompt": ["x" * 40, "y" * 40]}, 20),
        ({"input": "x" * 40}, 10),
        ({"messages": [{"role": "user", "content": "x" * 80}, {"role": "assistant", "content": "y" * 20}]}, 25),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 80}, {"type": "image_url"}]}]}, 20),
        ({}, 1),
    ],
)
def test_prompts_are_counted(body: dict[str, Any], tokens: int) -> None:
    assert asked(body).input_tokens == tokens


def test_conversations_are_told_apart_by_their_beginning() -> None:
    def turn(system: str, *said: str) -> dict[str, Any]:
        return {"messages": [{"content": text} for text in (system, *said)]}

    first, second = asked(turn("s" * 2000, "a" * 900)), asked(turn("s" * 2000, "a" * 900, "b" * 900))
    assert first.prefix == second.prefix != asked(turn("t" * 2000)).prefix
    assert second.blocks[: len(first.blocks)] == first.blocks
    assert asked({"prompt": "short"}).prefix == 0


def test_a_session_is_the_header_or_the_user() -> None:
    assert asked({"user": "u"}).session == asked({"user": "v"}, "u").session != 0
    assert asked({"user": 7}).session == 0


def test_the_most_it_may_write() -> None:
    assert asked({"max_tokens": 10**9}).most_output_tokens == 10**9
    assert asked({"max_tokens": 5, "max_completion_tokens": 7}).most_output_tokens == 7
    assert asked({"max_tokens": "many"}).most_output_tokens is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "model"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"model": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)
def test_what_cannot_be_routed_is_refused_in_one_line(body: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(body)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_no_body_breaks_it(body: dict[str, Any]) -> None:
    try:
        read(json.dumps(body).encode())
    except ValueError as error:
        assert "\n" not in str(error)
    assert asked(body).input_tokens >= 1
