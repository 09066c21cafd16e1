"""One question to a process of its own: it reads standard input, answers on standard output, and ends."""

from __future__ import annotations

import asyncio
import sys


class WorkerFailed(Exception):
    """The worker's last line, or that it took too long."""


async def answer(module: str, given: bytes, limit_s: float) -> bytes:
    """What ``python -m module`` makes of it; raises ``WorkerFailed``. Cancelled, it ends the worker."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await asyncio.wait_for(worker.communicate(given), limit_s)
    except TimeoutError:
        raise WorkerFailed(f"took longer than {limit_s:.0f} s") from None
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    if worker.returncode != 0:
        lines = complained.decode(errors="replace").strip().splitlines()
        raise WorkerFailed(lines[-1] if lines else f"the worker ended with {worker.returncode}")
    return said
