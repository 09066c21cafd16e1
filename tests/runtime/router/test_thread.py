"""Wherever a stream is cut and however it comes, its client sees the one that was not cut."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.router.continuation import CHAT, COMPLETIONS
from runtime.router.thread import LONGEST_EVENT, RAW_BYTES, Thread
from tests.runtime.router.author import PROMPT, PROMPT_IDS, STORY, Author, View

USAGE = {"stream": True, "stream_options": {"include_usage": True}}
CUTS = st.lists(st.floats(0, 0.9999), min_size=1, max_size=3)


def request(kind: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """A request for the story: ``text``, ``ids`` or ``chat``."""
    if kind == "chat":
        return CHAT, {"model": "chat", "messages": [{"role": "user", "content": PROMPT}], **USAGE, **more}
    return COMPLETIONS, {"model": "chat", "prompt": PROMPT if kind == "text" else PROMPT_IDS, **USAGE, **more}


def thread_of(path: str, body: Mapping[str, Any]) -> Thread:
    thread = Thread.of(path, body, json.dumps(body).encode())
    assert thread is not None
    return thread


def seen(author: Author, asked: tuple[str, dict[str, Any]], cuts: Sequence[float], size: int = 10**6) -> View:
    """What a client sees where one replica after the other is lost at these parts of its stream."""
    thread, sent = thread_of(*asked), b""
    for leg, cut in enumerate([*cuts, 1.0]):
        author.name = f"leg {leg}"
        path, body = thread.request(strict=False)
        stream = author.stream(path, json.loads(body))
        stream = stream[: round(cut * len(stream))]
        sent += b"".join(thread.take(stream[at : at + size]) for at in range(0, len(stream), size))
        if stream.endswith(b"[DONE]\n\n"):
            return View.of(sent)
        thread.lost()
        if thread.over or not thread.go_on() or thread.over:
            return View.of(sent + thread.close())
    raise AssertionError("no end")


@settings(deadline=None)
@given(st.sampled_from(["text", "ids", "chat"]), CUTS, st.integers(1, 90), st.integers(1, 21))
def test_token_by_token_nothing_shows_where_it_was_cut(kind: str, cuts: list[float], size: int, most: int) -> None:
    asked = request(kind, max_tokens=most)
    assert seen(Author(), asked, cuts, size) == seen(Author(), asked, [])


@settings(deadline=None)
@given(st.sampled_from(["text", "chat"]), CUTS, st.integers(1, 4), st.booleans(), st.integers(1, 90))
def test_by_text_where_ids_are_not_known_or_come_in_groups(
    kind: str, cuts: list[float], group: int, knows: bool, size: int
) -> None:
    asked = request(kind, max_tokens=100)
    cut, whole = seen(Author(group, knows), asked, cuts, size), seen(Author(group, knows), asked, [])
    assert (cut.text, cut.roles, cut.reasons, cut.done) == (whole.text, whole.roles, whole.reasons, 1)


@settings(deadline=None)
@given(st.sampled_from(["text", "chat"]), CUTS, st.sampled_from(["END", " END END", "time", "never"]))
def test_a_stop_string_at_the_seam_stops(kind: str, cuts: list[float], stop: str) -> None:
    asked = request(kind, max_tokens=100, stop=stop)
    cut, whole = seen(Author(), asked, cuts), seen(Author(), asked, [])
    assert (cut.text, cut.reasons, cut.done) == (whole.text, whole.reasons, 1)
    assert cut.text == STORY.split(stop)[0]


def test_a_chat_that_says_how_long_goes_on_by_ids_and_another_by_text() -> None:
    author = Author()
    assert seen(author, request("chat", max_tokens=100), [0.5]).text == STORY
    assert seen(author, request("chat"), [0.5]).text == STORY
    assert [path for path, _ in author.asked] == [CHAT, COMPLETIONS, CHAT, CHAT]
    assert "messages" not in author.asked[1][1]
    assert author.asked[3][1]["messages"][-1]["role"] == "assistant"


def test_an_answer_that_lacks_only_its_end_is_ended_here() -> None:
    author = Author()
    path, body = request("text", max_tokens=5)
    stream = author.stream(path, {**body, "return_token_ids": True})
    last = stream.index(b'"usage"') / len(stream)
    view = seen(author, (path, body), [last])
    assert (len(author.asked), view.reasons, view.done) == (2, ["length"], 1)
    assert view.usage == [{"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}]


def test_a_stream_that_does_not_fail_is_passed_on_byte_by_byte() -> None:
    path, body = request("text", max_tokens=100)
    thread = thread_of(path, body)
    asked = json.loads(thread.request(strict=False)[1])
    assert asked == {**body, "return_token_ids": True}
    assert thread.take(Author().stream(path, asked)) == Author().stream(path, body)
    assert json.loads(thread.request(strict=True)[1]) == body


def test_what_the_engine_says_of_its_failure_is_kept_back() -> None:
    path, body = request("text")
    thread = thread_of(path, body)
    error = b'data: {"error": {"message": "dead"}}\n\n'
    event = b'data: {"choices": [{"text": "data: {\\"error\\"", "finish_reason": null}]}\n\n'
    assert thread.take(event + error) == event
    assert thread.told == error


def test_events_that_make_no_sense_are_not_gone_on_from() -> None:
    for nonsense in (b"data: {\n\n", b"data: 7\n\n", b'data: {"choices": [{"delta": {"tool_calls": [{}]}}]}\n\n'):
        thread = thread_of(*request("text"))
        assert thread.take(nonsense) == nonsense
        thread.lost()
        assert not thread.go_on()


def test_a_later_replica_that_makes_no_sense_is_an_error() -> None:
    thread = thread_of(*request("text"))
    thread.lost()
    assert thread.go_on()
    assert (thread.take(b"data: {\n\n"), b"no sense" in thread.told) == (b"", True)


def test_windows_line_ends() -> None:
    thread = thread_of(*request("text"))
    event = b'data: {"choices": [{"text": "a"}]}\r\n\r\n'
    assert thread.take(event + b"data:") == event
    thread.lost()
    assert thread.written.text == "a"


# --- memory ------------------------------------------------------------------------------------------------------


def test_little_is_kept_of_a_long_stream() -> None:
    thread = thread_of(*request("text"))
    event = b'data: {"choices": [{"text": " tok", "token_ids": [5]}]}\n\n'
    for _ in range(20_000):
        thread.take(event)
    kept = thread.written
    assert (thread.raw_bytes <= RAW_BYTES + len(event), len(kept.marks), len(kept.texts)) == (True, 1, 1)
    for _ in range(300_000):
        thread.take(event)
    thread.lost()
    assert (kept.strange, kept.text, len(kept.ids), thread.go_on()) == (True, "", 0, False)


def test_an_event_without_end_is_passed_on_in_the_end() -> None:
    thread, piece = thread_of(*request("text")), b"x" * 2**16
    passed = [len(thread.take(piece)) for _ in range(LONGEST_EVENT // len(piece) + 2)]
    assert (sum(passed), passed[-1], thread.partial) == (len(piece) * len(passed), len(piece), b"")
    assert not thread.go_on()


@pytest.mark.parametrize("count", [1, 2])
def test_the_role_is_told_once(count: int) -> None:
    assert seen(Author(), request("chat"), [0.3] * count).roles == 1
