"""Sends a load to an engine and notes when every token arrived.

Requests leave when they are due, whatever became of earlier ones, and latencies count from that planned moment: a
client that falls behind shows it instead of hiding it. While the load runs nothing is parsed, bytes and clock readings
are only kept; the client shares a core with the server.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

import httpx
import numpy as np
import numpy.typing as npt

from runtime.local.model import VOCABULARY
from runtime.traces import Trace

Floats = npt.NDArray[np.float64]

LEAD_S = 0.5
ANSWER_WITHIN_S = 120.0
IDLE_S = 2.0
"""Below the 5 s after which vLLM closes an idle connection, or a request could meet its end."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One request: prompt tokens, and for each output token the second at which it came, from the load's start."""

    arrival_s: float
    sent_s: float
    input_tokens: int
    token_s: Floats

    @property
    def ttft_s(self) -> float:
        """From the planned arrival to the first token."""
        return float(self.token_s[0] - self.arrival_s)

    @property
    def tpot_s(self) -> float:
        """Mean time between two tokens; NaN for a single one."""
        tokens = len(self.token_s)
        return float(self.token_s[-1] - self.token_s[0]) / (tokens - 1) if tokens > 1 else float("nan")


def serve(url: str, model: str, trace: Trace, seed: int) -> list[Answer]:
    """Send the whole trace; answers in its order. Raises httpx.HTTPError, and ValueError for one that came short."""
    return asyncio.run(_serve(url, model, trace, seed))


async def _serve(url: str, model: str, trace: Trace, seed: int) -> list[Answer]:
    rng = np.random.default_rng(seed)
    bodies = [_body(model, rng, int(i), int(o)) for i, o in zip(trace.input_tokens, trace.output_tokens, strict=True)]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_S)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=ANSWER_WITHIN_S) as http:
        start_s = time.perf_counter() + LEAD_S
        asked = [
            asyncio.create_task(_ask(http, body, start_s + due))
            for body, due in zip(bodies, trace.arrival_s, strict=True)
        ]
        pieces = await asyncio.gather(*asked)
    return [
        _answer(float(trace.arrival_s[i]), int(trace.input_tokens[i]), int(trace.output_tokens[i]), got, start_s)
        for i, got in enumerate(pieces)
    ]


def _body(model: str, rng: np.random.Generator, input_tokens: int, output_tokens: int) -> bytes:
    prompt = rng.integers(2, VOCABULARY, input_tokens).tolist()
    asked = {"model": model, "prompt": prompt, "max_tokens": output_tokens, "ignore_eos": True, "stream": True}
    return json.dumps({**asked, "temperature": 0}).encode()


async def _ask(http: httpx.AsyncClient, body: bytes, due_s: float) -> list[tuple[float, bytes]]:
    await asyncio.sleep(due_s - time.perf_counter())
    pieces = [(time.perf_counter(), b"")]
    headers = {"content-type": "application/json"}
    async with http.stream("POST", "/v1/completions", content=body, headers=headers) as response:
        response.raise_for_status()
        async for piece in response.aiter_raw():
            pieces.append((time.perf_counter(), piece))
    return pieces


def _answer(
    arrival_s: float, input_tokens: int, output_tokens: int, pieces: list[tuple[float, bytes]], start_s: float
) -> Answer:
    """What the pieces of one stream say; the first piece is the sending."""
    times, rest = [], b""
    for at_s, piece in pieces[1:]:
        *events, rest = (rest + piece).split(b"\n\n")
        words = sum(len(_text(event).split()) for event in events)
        times += [at_s - start_s] * words
    if len(times) != output_tokens:
        raise ValueError(f"asked for {output_tokens} tokens, {len(times)} came")
    return Answer(arrival_s, pieces[0][0] - start_s, input_tokens, np.array(times))


def _text(event: bytes) -> str:
    """Text of one server-sent event, empty for the closing one."""
    if not event.startswith(b"data: {"):
        return ""
    text: str = json.loads(event[len(b"data: ") :])["choices"][0]["text"]
    return text
