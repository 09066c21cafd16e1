"""What a stream has said, in text and in tokens."""

from __future__ import annotations

from runtime.router.written import Written, blocks


def event(text: str, *ids: int) -> bytes:
    listed = ",".join(map(str, ids))
    return b'data: {"id":"a","choices":[{"text":"%b","token_ids":[%b]}]}\n\n' % (text.encode(), listed.encode())


def test_events_of_any_line_ends_without_comments() -> None:
    content = b": ping\n\ndata: 1\r\n\r\nevent: x\ndata: 2\ndata: 3\n\n\n\ndata:[DONE]\n\n"
    assert list(blocks(content)) == ["1", "2\n3", "[DONE]"]


def test_tokens_are_ids_where_there_are_and_else_events_with_text() -> None:
    written = Written()
    written.read(event("a", 1, 2) + b'data: {"choices":[{"text":"b"}]}\n\ndata: {"choices":[{"text":""}]}\n\n')
    assert (written.tokens, written.text, list(written.ids), written.head) == (3, "ab", [1, 2], {"id": "a"})


def test_tokens_behind_the_text_are_not_kept() -> None:
    written = Written()
    written.read(event("", 1) + event("a", 2) + event("", 3))
    assert (written.tokens, written.kept, written.exact) == (3, 2, False)
    written.read(b'data: {"choices":[{"prompt_token_ids":[9]}]}\n\n')
    assert written.exact
    written.cut(by_ids=True)
    assert (list(written.ids), written.tokens, written.kept) == ([1, 2], 2, 2)


def test_what_lags_is_not_kept_until_the_text_has_come_to_it() -> None:
    written = Written(lag=2)
    written.read(event("ab", 1) + event("c", 2))
    assert written.kept == 0
    written.read(event("d", 3))
    assert written.kept == 1


def test_a_prompt_is_believed_until_the_text_goes_on_elsewhere() -> None:
    written = Written()
    written.cut(by_ids=True)
    written.note({"choices": [{"text": "a", "prompt_token_ids": [1], "token_ids": [5]}]})
    assert written.prompt_tokens == 1
    written.cut(by_ids=True)
    written.note({"choices": [{"text": "b", "prompt_token_ids": [1, 5]}], "usage": {"prompt_tokens": 2}})
    assert (written.prompt_tokens, written.billed) == (1, False)


def test_after_text_was_read_anew_ids_are_not_exact() -> None:
    written = Written()
    written.read(b'data: {"choices":[{"prompt_token_ids":[9]}]}\n\n' + event("a", 1))
    written.cut(by_ids=False)
    written.read(event("b", 2))
    assert not written.exact


def test_its_end() -> None:
    written = Written()
    written.note({"choices": [{"text": "a", "finish_reason": "stop"}]})
    written.note({"choices": [], "usage": {"prompt_tokens": 2}})
    assert (written.finished, written.billed) == (True, True)
