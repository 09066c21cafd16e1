"""What can go on at another replica, and what that one is asked."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.router.continuation import CHAT, COMPLETIONS, MOST_BODY_BYTES, onward, permitted, prompt_of
from runtime.router.written import Written

TEXT: dict[str, Any] = {"model": "m", "prompt": "p", "stream": True}
TALK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "p"}], "stream": True}


def written(*texts: str, **more: Any) -> Written:
    """So much was written, a token an event, of a prompt of two."""
    made = Written(**more)
    made.note({"prompt_token_ids": [1, 2], "choices": [{"delta": {"role": "assistant"}}]})
    for i, text in enumerate(texts):
        made.note({"choices": [{"text": text, "token_ids": [10 + i]}]})
    return made


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"best_of": 2},
        {"logprobs": 0},
        {"echo": True},
        {"tools": [{}]},
        {"response_format": {"type": "json_object"}},
        {"guided_regex": "a*"},
        {"stream": False},
        {"return_token_ids": True},
        {"prompt": ["a", "b"]},
        {"prompt": [[1], [2]]},
        {"prompt": []},
        {"prompt": None},
    ],
)
def test_what_cannot_go_on(more: dict[str, Any]) -> None:
    assert not permitted(COMPLETIONS, {**TEXT, **more}, 100)


def test_what_can() -> None:
    assert permitted(COMPLETIONS, {**TEXT, "n": 1, "logprobs": None, "tools": [], "seed": 3}, 100)
    assert permitted(CHAT, {**TALK, "logprobs": False, "response_format": {"type": "text"}}, 100)
    assert not permitted(COMPLETIONS, TEXT, MOST_BODY_BYTES + 1)
    assert not permitted("/v1/embeddings", TEXT, 100)


def test_chats_that_no_answer_can_be_appended_to() -> None:
    mine = [*TALK["messages"], {"role": "assistant", "content": "so"}]
    assert permitted(CHAT, {**TALK, "messages": mine, "continue_final_message": True}, 100)
    for more in ({"messages": []}, {"continue_final_message": True}, {"tool_choice": "required"}, {"messages": ["a"]}):
        assert not permitted(CHAT, {**TALK, **more}, 100)
    assert not permitted(CHAT, {**TALK, "add_generation_prompt": False}, 100)


def test_prompts() -> None:
    assert [prompt_of({"prompt": each}) for each in ("a", ["a"], [1, 2], [[1, 2]])] == ["a", "a", [1, 2], [1, 2]]


def test_a_completion_goes_on_by_ids_with_less_to_write() -> None:
    next_ = onward(COMPLETIONS, {**TEXT, "max_tokens": 10, "min_tokens": 3}, written(" a", " b"))
    assert next_ is not None
    assert (next_.body["prompt"], next_.body["max_tokens"], next_.body["min_tokens"]) == ([1, 2, 10, 11], 8, 1)
    assert (next_.by_ids, next_.left) == (True, 8)


def test_half_a_character_is_written_again() -> None:
    next_ = onward(COMPLETIONS, TEXT, written(" a", "", ""))
    assert next_ is not None
    assert (next_.body["prompt"], next_.body["max_tokens"]) == ([1, 2, 10], 15)


def test_what_is_held_back_for_a_stop_string_is_written_again() -> None:
    next_ = onward(COMPLETIONS, {**TEXT, "stop": "xyz"}, written("ab", "cd", "ef", lag=2))
    assert next_ is not None
    assert (next_.body["prompt"], next_.by_ids, next_.left) == ("pabcdef", False, 16 - 2)


def test_ids_that_held_back_text_are_not_gone_on_from() -> None:
    assert onward(COMPLETIONS, {**TEXT, "prompt": [1, 2], "stop": "xyz"}, written("ab", lag=2)) is None


def test_half_a_stop_string_that_is_shown() -> None:
    asked = {**TEXT, "stop": ["END"], "include_stop_str_in_output": True}
    assert onward(COMPLETIONS, asked, written(" the E")) is None
    assert onward(COMPLETIONS, asked, written(" the")) is not None


def test_a_chat_goes_on_as_a_completion_without_what_is_a_chat_s() -> None:
    asked = {**TALK, "max_completion_tokens": 9, "logprobs": False, "temperature": 0.5, "reasoning_effort": "low"}
    next_ = onward(CHAT, asked, written("so"))
    assert next_ is not None and next_.path == COMPLETIONS
    assert next_.body == {"model": "m", "stream": True, "temperature": 0.5, "prompt": [1, 2, 10], "max_tokens": 8}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_tokens": 9, "of_one_engine": 3},
        {"max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    ],
)
def test_a_chat_goes_on_as_a_message(more: dict[str, Any]) -> None:
    next_ = onward(CHAT, {**TALK, **more}, written("so"))
    assert next_ is not None and next_.path == CHAT and not next_.by_ids
    assert next_.body["messages"][-1] == {"role": "assistant", "content": "so"}
    assert (next_.body["continue_final_message"], next_.body["add_generation_prompt"]) == (True, False)


def test_a_message_that_was_begun_by_the_client() -> None:
    mine = [*TALK["messages"], {"role": "assistant", "content": "And "}]
    next_ = onward(CHAT, {**TALK, "messages": mine, "continue_final_message": True}, written("so"))
    assert next_ is not None
    assert next_.body["messages"] == [*TALK["messages"], {"role": "assistant", "content": "And so"}]


def test_reasoning_that_is_not_over_and_calls_of_tools() -> None:
    thinking, calling = written(), written()
    thinking.note({"choices": [{"delta": {"reasoning": "hm"}, "token_ids": [10]}]})
    calling.note({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]})
    asked = {**TALK, "max_tokens": 9}
    assert (onward(CHAT, asked, thinking), onward(CHAT, asked, calling)) == (None, None)
    thinking.note({"choices": [{"delta": {"content": "So"}, "token_ids": [11]}]})
    next_ = onward(CHAT, asked, thinking)
    assert next_ is not None and next_.body["prompt"] == [1, 2, 10, 11]
    assert onward(CHAT, TALK, thinking) is None
