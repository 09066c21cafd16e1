"""How a stream goes on at another replica: whether it can, and what that replica is asked. Pure.

By token ids where the engine gave them, so that the next one reads exactly what the first had written; else by text,
which it may cut into other tokens. A chat goes on by ids as a completion, where it says how much it may write at most
(a completion must), or else as a message that is to be continued.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.router.written import Written

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
MOST_BODY_BYTES = 2**20
COMPLETION_TOKENS = 16
"""What a completion writes at most if it does not say (OpenAI's API)."""

MOST_KEYS = ("max_completion_tokens", "max_tokens")

NOT_CONTINUED = (
    *("echo", "return_token_ids", "logprobs", "prompt_logprobs", "use_beam_search", "suffix", "prompt_embeds"),
    *("tools", "functions", "function_call", "audio", "prediction", "truncate_prompt_tokens", "thinking_token_budget"),
    *("structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "kv_transfer_params"),
    *("regex", "ebnf", "json_schema", "ec_transfer_params"),
)
"""What a second replica would do differently, or in a state that the first had and nobody knows."""

SHARED = frozenset(
    (
        *("model", "stream", "stream_options", "user", "seed", "temperature", "top_p", "top_k", "min_p"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty", "length_penalty", "logit_bias", "stop"),
        *("stop_token_ids", "include_stop_str_in_output", "ignore_eos", "min_tokens", "skip_special_tokens"),
        *("spaces_between_special_tokens", "allowed_token_ids", "bad_words", "priority", "request_id"),
        *("session_id", "cache_salt", "stream_interval", "return_token_ids"),
    )
)
"""What means the same in a chat and in a completion."""

CHAT_ONLY = frozenset(
    (
        *("messages", "max_tokens", "max_completion_tokens", "n", "best_of", "tool_choice", "parallel_tool_calls"),
        *("response_format", "chat_template", "chat_template_kwargs", "documents", "add_generation_prompt"),
        *("continue_final_message", "add_special_tokens", "reasoning_effort", "include_reasoning", "metadata"),
        *("store", "service_tier", "return_prompt_text"),
    )
)
"""What a chat's prompt was made from, or what says nothing about how it goes on."""


@dataclass(frozen=True, slots=True)
class Next:
    """What the next replica is asked; ``left`` is how much may still be written, None where nothing was said."""

    path: str
    body: dict[str, Any]
    by_ids: bool
    left: int | None


def permitted(path: str, body: Mapping[str, Any], size_bytes: int) -> bool:
    """Whether a request can go on elsewhere after it has begun."""
    if body.get("stream") is not True or size_bytes > MOST_BODY_BYTES:
        return False
    if any(_asked(body.get(key)) for key in NOT_CONTINUED):
        return False
    if any(body.get(key) not in (None, 1) for key in ("n", "best_of")):
        return False
    form = body.get("response_format")
    if form is not None and not (isinstance(form, dict) and form.get("type") == "text"):
        return False
    if path == CHAT:
        return body.get("tool_choice") in (None, "none", "auto") and _open(body)
    return path == COMPLETIONS and prompt_of(body) is not None


def prompt_of(body: Mapping[str, Any]) -> str | list[int] | None:
    """The one prompt of a completion; None where there are several, or none."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    ids = isinstance(prompt, list) and all(isinstance(each, int) for each in prompt)
    return prompt if ids and prompt else None


def lag(body: Mapping[str, Any]) -> int:
    """Characters that an engine holds back so that none of a stop string is sent: the longest less one."""
    return 0 if body.get("include_stop_str_in_output") else max((len(stop) - 1 for stop in _stops(body)), default=0)


def onward(path: str, body: Mapping[str, Any], written: Written) -> Next | None:
    """What to ask next; None where it cannot go on."""
    if written.strange or written.thinking or _half_a_stop(body, written):
        return None
    kept = written.kept
    most = {key: body[key] for key in MOST_KEYS if isinstance(body.get(key), int)}
    if path == COMPLETIONS:
        most = {"max_tokens": most.get("max_tokens", COMPLETION_TOKENS)}
    lefts = {key: tokens - kept for key, tokens in most.items()}
    changed = {**body, **lefts}
    if isinstance(body.get("min_tokens"), int):
        changed["min_tokens"] = max(0, body["min_tokens"] - kept)
    left = next(iter(lefts.values()), None)
    made = _completion(changed, written) if path == COMPLETIONS else _chat(changed, written, left)
    return None if made is None else Next(*made, left)


def _completion(body: dict[str, Any], written: Written) -> tuple[str, dict[str, Any], bool] | None:
    prompt = prompt_of(body)
    if not written.characters:
        return COMPLETIONS, body, True
    if written.exact:
        return COMPLETIONS, {**body, "prompt": _all_ids(written)}, True
    if isinstance(prompt, str):
        return COMPLETIONS, {**body, "prompt": prompt + written.text}, False
    known = written.lag == 0 and len(written.ids) == written.tokens
    return (COMPLETIONS, {**body, "prompt": _all_ids(written, prompt)}, True) if known else None


def _chat(body: dict[str, Any], written: Written, left: int | None) -> tuple[str, dict[str, Any], bool] | None:
    if not written.characters and not written.thought:
        return CHAT, body, True
    if left is not None and written.exact and _only_text(body) and {k for k in body if body[k]} <= SHARED | CHAT_ONLY:
        shared = {key: value for key, value in body.items() if key in SHARED}
        return COMPLETIONS, {**shared, "prompt": _all_ids(written), "max_tokens": left}, True
    if written.thought:
        return None
    said, messages = written.text, list(body["messages"])
    if body.get("continue_final_message"):
        said = messages.pop()["content"] + said
    messages.append({"role": "assistant", "content": said})
    return CHAT, {**body, "messages": messages, "continue_final_message": True, "add_generation_prompt": False}, False


def _all_ids(written: Written, prompt: str | list[int] | None = None) -> list[int]:
    before = written.prompt_ids if written.prompt_ids is not None else prompt
    return [*(before if before is not None and not isinstance(before, str) else ()), *written.ids[: written.kept]]


def _asked(value: Any) -> bool:
    """Whether a field says something: 0 is a number of logprobs."""
    return value is not None and value is not False and value != [] and value != {}


def _open(body: Mapping[str, Any]) -> bool:
    """Whether an answer can be appended to the messages."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        return False
    if body.get("continue_final_message"):
        return messages[-1].get("role") == "assistant" and isinstance(messages[-1].get("content"), str)
    return body.get("add_generation_prompt") is not False


def _only_text(body: Mapping[str, Any]) -> bool:
    parts = [message.get("content") for message in body["messages"]]
    flat = [part for content in parts for part in (content if isinstance(content, list) else [content])]
    return all(part is None or isinstance(part, str) or part.get("type") == "text" for part in flat)


def _stops(body: Mapping[str, Any]) -> list[str]:
    stop = body.get("stop")
    given = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return [each for each in given if isinstance(each, str) and each]


def _half_a_stop(body: Mapping[str, Any], written: Written) -> bool:
    """Whether the text ends in the beginning of a stop string that the next engine would not know as such."""
    if not body.get("include_stop_str_in_output") or not (stops := _stops(body)):
        return False
    return any(written.text.endswith(stop[:size]) for stop in stops for size in range(1, len(stop)))
