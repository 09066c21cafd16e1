"""A trace sent to a real endpoint: every request leaves when it is due, whatever became of those before it.

Promise: latencies count from the moment a request was due, so a client that falls behind shows it instead of hiding
it; and nothing that did not end as it should is counted as served: a stream that breaks off without its end is lost.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx
import numpy as np

from runtime.traces.prompts import prompts
from runtime.traces.trace import Trace

DONE = b"[DONE]"
TURNED_AWAY = (429, 503)


class Fate(StrEnum):
    """What became of a request."""

    SERVED = "served"
    REJECTED = "rejected"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible address and the model to ask there. ``timeout_s`` bounds every silence."""

    url: str
    model: str
    headers: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Answered:
    """One request. Times are seconds from the start of the replay, None for what never came; ``output_tokens`` is what
    was asked for, ``tokens`` what the engine says it wrote. ``why`` is one line where it was not served.
    """

    due_s: float
    sent_s: float
    first_s: float | None
    last_s: float | None
    input_tokens: int
    output_tokens: int
    tokens: int
    fate: Fate
    why: str | None = None

    @property
    def ttft_s(self) -> float | None:
        """From when it was due to its first token."""
        return None if self.first_s is None else self.first_s - self.due_s

    @property
    def tpot_s(self) -> float | None:
        """Mean time between two tokens; None for fewer than two."""
        if self.first_s is None or self.last_s is None or self.tokens < 2:
            return None
        return (self.last_s - self.first_s) / (self.tokens - 1)

    def kept(self, ttft_s: float, tpot_s: float) -> bool:
        """Whether it was served in time: first token within ``ttft_s``, last by ``ttft_s + tpot_s·(O - 1)``."""
        if self.fate is not Fate.SERVED or self.first_s is None or self.last_s is None:
            return False
        by_s = ttft_s + tpot_s * (self.tokens - 1)
        return self.first_s - self.due_s <= ttft_s and self.last_s - self.due_s <= by_s


Told = Callable[[Answered], None]


async def replay(
    trace: Trace, to: Endpoint, speed: float = 1.0, seed: int = 0, told: Told | None = None
) -> list[Answered]:
    """Send all of it, at ``speed`` times its own pace; answers in the trace's order. ``told`` hears of each one.

    Prompts are those of ``prompts(trace, seed)``; a session is named in the header ``x-session-id``.
    """
    sessions = [0] * trace.requests if trace.session is None else trace.session.tolist()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=to.url, headers=dict(to.headers), limits=limits, timeout=to.timeout_s, trust_env=False
    ) as http:
        start_s = time.monotonic()
        asking = []
        due = (trace.arrival_s / speed).tolist()
        rows = zip(due, prompts(trace, seed), trace.output_tokens.tolist(), sessions, strict=True)
        for due_s, prompt, output, session in rows:
            body = _body(to.model, prompt, output)
            await asyncio.sleep(max(0.0, start_s + due_s - time.monotonic()))
            one = _Ask(http, body, start_s, due_s, len(prompt), output, session, told)
            asking.append(asyncio.create_task(one.answered()))
        return list(await asyncio.gather(*asking))


def _body(model: str, prompt: list[int], output_tokens: int) -> bytes:
    """A streamed completion of exactly so many tokens."""
    asked = {
        "model": model,
        "prompt": prompt,
        "max_tokens": output_tokens,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return json.dumps(asked).encode()


@dataclass(slots=True)
class _Ask:
    http: httpx.AsyncClient
    body: bytes
    start_s: float
    due_s: float
    input_tokens: int
    output_tokens: int
    session: int
    told: Told | None
    sent_s: float = 0.0
    first_s: float | None = None
    last_s: float | None = None
    tokens: int = 0

    async def answered(self) -> Answered:
        self.sent_s = self._now_s()
        try:
            fate, why = await self._sent()
        except httpx.HTTPError as error:
            fate, why = Fate.LOST, f"{type(error).__name__}: {error}".rstrip(": ")
        result = Answered(
            due_s=self.due_s,
            sent_s=self.sent_s,
            first_s=self.first_s,
            last_s=self.last_s,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            tokens=self.tokens,
            fate=fate,
            why=why,
        )
        if self.told is not None:
            self.told(result)
        return result

    async def _sent(self) -> tuple[Fate, str | None]:
        headers = {"content-type": "application/json"}
        if self.session:
            headers["x-session-id"] = str(self.session)
        async with self.http.stream("POST", "/v1/completions", content=self.body, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                said = (await response.aread())[:200].decode(errors="replace")
                fate = Fate.REJECTED if response.status_code in TURNED_AWAY else Fate.REFUSED
                return fate, f"{response.status_code}: {said}"
            async for line in response.aiter_lines():
                if not line.startswith("data: "):
                    continue
                event = line[len("data: ") :]
                if event == DONE.decode():
                    return Fate.SERVED, None
                if (broken := self._read(json.loads(event))) is not None:
                    return Fate.LOST, broken
        return Fate.LOST, "the stream ended without [DONE]"

    def _read(self, event: dict[str, Any]) -> str | None:
        """Note a piece of the answer; gives why it broke off, where it says so."""
        if "error" in event:
            return str(event["error"])
        if event.get("choices"):
            self.last_s = self._now_s()
            self.first_s = self.last_s if self.first_s is None else self.first_s
            self.tokens += 1
        if event.get("usage"):
            self.tokens = int(event["usage"]["completion_tokens"])
        return None

    def _now_s(self) -> float:
        return time.monotonic() - self.start_s


def summary(answers: Sequence[Answered], ttft_s: float, tpot_s: float) -> dict[str, Any]:
    """What a replay came to; times in seconds, percentiles over what was served."""
    fates = {str(fate): sum(answer.fate is fate for answer in answers) for fate in Fate}
    served = [answer for answer in answers if answer.fate is Fate.SERVED]
    kept = sum(answer.kept(ttft_s, tpot_s) for answer in answers)
    return {
        "requests": len(answers),
        **fates,
        "attainment": kept / len(answers) if answers else None,
        "ttft_s": _percentiles([a.ttft_s for a in served if a.ttft_s is not None]),
        "tpot_s": _percentiles([a.tpot_s for a in served if a.tpot_s is not None]),
        "output_tokens": sum(a.tokens for a in served),
        "late_s": max((a.sent_s - a.due_s for a in answers), default=0.0),
    }


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"mean": None, "p50": None, "p90": None, "p99": None}
    p50, p90, p99 = (float(value) for value in np.percentile(values, (50, 90, 99)))
    return {"mean": float(np.mean(values)), "p50": p50, "p90": p90, "p99": p99}
