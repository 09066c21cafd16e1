"""Tokens are counted however a stream is cut into pieces, and its end is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.router.answer import Answer, error_event

EVENT = b'data: {"choices": [{"text": "a \\n\\n b"}]}\n\n'
DONE = b"data: [DONE]\n\n"


@given(st.integers(0, 20), st.lists(st.integers(1, 60), max_size=40))
def test_pieces_do_not_matter(tokens: int, sizes: list[int]) -> None:
    content, answer = EVENT * tokens + DONE, Answer(streamed=True)
    counted = 0
    for size in sizes:
        counted += answer.take(content[:size])
        content = content[size:]
    counted += answer.take(content)
    assert (counted, answer.output_tokens, answer.whole, answer.told) == (tokens + 1, tokens, True, False)


def test_a_stream_without_its_end_is_not_whole() -> None:
    answer = Answer(streamed=True)
    answer.take(EVENT)
    assert not answer.whole
    answer.take(error_event("lost"))
    assert (answer.whole, answer.told) == (False, True)


def test_what_the_engine_says_counts_more() -> None:
    answer = Answer(streamed=True)
    answer.take(EVENT + b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 12}}\n\n' + DONE)
    assert answer.output_tokens == 12
    whole = Answer(streamed=False)
    whole.take(b'{"choices": [], "usage": {"completion_tokens": 9}}')
    assert (whole.output_tokens, whole.whole) == (9, True)
