"""Answers that take a while: a worker process computes, and the answer is a stream that tells how far it is.

One JSON object a line: ``{"progress": 0.25}`` as often as there is news, and at last ``{"result": …}`` or
``{"error": "one sentence"}``. Nothing is kept: who goes away ends the worker. At most ``AT_ONCE`` are
computed at a time, so that nobody can take the machine from the control loop; one more is refused with 429.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

AT_ONCE = 2
LIMIT_S = 600.0
"""Nothing takes longer than this, seconds."""
AGAIN_S = "5"
BEAT_S = 5.0
"""Seconds without news after which the last is told again."""
PROGRESS = b"progress "
LINES = "application/x-ndjson"

View = Callable[[bytes], BaseModel]


@dataclass(slots=True)
class Slots:
    """How many are being computed."""

    taken: int = 0


@dataclass(slots=True)
class Worker:
    """A process that reads standard input, tells its progress on standard error and answers on standard output."""

    process: asyncio.subprocess.Process
    said: list[bytes] = field(default_factory=list)

    @classmethod
    async def start(cls, module: str) -> Worker:
        """``python -m module``."""
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=pipe, stdout=pipe, stderr=pipe)
        )

    async def progress(self) -> AsyncIterator[float]:
        """Shares that are done, until it has no more to say; its other lines are kept."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            if line.startswith(PROGRESS):
                yield float(line[len(PROGRESS) :])
            else:
                self.said.append(line)

    @property
    def complaint(self) -> str:
        """Why it failed, in its last words."""
        words = [line.decode(errors="replace").strip() for line in self.said if line.strip()]
        return words[-1] if words else f"the worker ended with {self.process.returncode}"


def slots_of(request: Request) -> Slots:
    """The application's count of what is being computed."""
    state = request.app.state
    if not hasattr(state, "computing"):
        state.computing = Slots()
    slots: Slots = state.computing
    return slots


def computed(request: Request, module: str, given: bytes, view: View) -> StreamingResponse:
    """Compute ``given`` in ``python -m module`` and stream how far it is; ``view`` makes the result of its answer."""
    slots = slots_of(request)
    if slots.taken >= AT_ONCE:
        detail = f"{AT_ONCE} such questions are being computed already; ask again in a few seconds"
        raise HTTPException(429, detail, {"Retry-After": AGAIN_S})
    return StreamingResponse(lines(slots, module, given, view), media_type=LINES)


async def lines(slots: Slots, module: str, given: bytes, view: View) -> AsyncIterator[bytes]:
    """The stream; whatever ends it ends the worker."""
    slots.taken += 1
    worker: Worker | None = None
    try:
        async with asyncio.timeout(LIMIT_S):
            worker = await Worker.start(module)
            giving = asyncio.create_task(answered(worker, given))
            async for share in beating(worker.progress()):
                yield line(progress=round(share, 4))
            yield await last(worker, await giving, view)
    except TimeoutError:
        yield line(error=f"took longer than {LIMIT_S:.0f} s")
    finally:
        slots.taken -= 1
        if worker is not None and worker.process.returncode is None:
            worker.process.kill()
            await worker.process.wait()


async def beating(progress: AsyncIterator[float], every_s: float = BEAT_S) -> AsyncIterator[float]:
    """Progress, and the last of it again where there is no news: who waits shall know that somebody works."""
    share: float | None = 0.0
    coming = asyncio.ensure_future(anext(progress, None))
    try:
        while share is not None:
            done, _ = await asyncio.wait({coming}, timeout=every_s)
            if not done:
                yield share
            elif (share := coming.result()) is not None:
                yield share
                coming = asyncio.ensure_future(anext(progress, None))
    finally:
        coming.cancel()


async def answered(worker: Worker, given: bytes) -> bytes:
    """Give the worker its question and take its answer."""
    stdin, stdout = worker.process.stdin, worker.process.stdout
    assert stdin is not None and stdout is not None
    try:
        stdin.write(given)
        await stdin.drain()
        stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return b""  # it has ended; its last words say why
    return await stdout.read()


async def last(worker: Worker, answer: bytes, view: View) -> bytes:
    """The stream's last line."""
    if await worker.process.wait() != 0:
        return line(error=worker.complaint)
    made = await asyncio.to_thread(view, answer)
    return line(result=made.model_dump(mode="json"))


def line(**said: Any) -> bytes:
    """One line of the stream."""
    return json.dumps(said, allow_nan=False).encode() + b"\n"
