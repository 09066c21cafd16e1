"""Real vLLM as a process of its own: started, waited for, read, ended with everything it started.

On two cores the worker that computes has the first to itself, as a GPU would be; scheduler, HTTP server and our client
share the second.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_WITHIN_S = 180.0
END_WITHIN_S = 20.0
LOG_LINES = 30
BLOCK_TOKENS = 32
MAX_SEQS = 128
BATCHED_TOKENS = 2048
"""vLLM's own defaults on a CPU; its attention there wants blocks of a multiple of 32."""

COMPUTE_CORE = 0
NAME = "tiny"


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine: its address, and the KV blocks that it was given."""

    url: str
    blocks: int

    def counter(self, name: str) -> float:
        """The value of a counter on ``/metrics``, summed over its series. Raises httpx.HTTPError."""
        page = httpx.get(f"{self.url}/metrics").raise_for_status().text
        return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


@contextmanager
def started(
    python: Path,
    model: Path,
    port: int,
    blocks: int,
    log: Path,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator[Engine]:
    """vLLM with so many KV blocks, and further options and environment variables.

    Raises RuntimeError with the end of its log if it does not come up.
    """
    command = [
        *(str(python), "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model), "--load-format", "dummy", "--served-model-name", NAME),
        *("--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--no-enable-prefix-caching"),
        *("--block-size", str(BLOCK_TOKENS), "--num-gpu-blocks-override", str(blocks)),
        *("--max-num-seqs", str(MAX_SEQS), "--max-num-batched-tokens", str(BATCHED_TOKENS)),
        *options,
    ]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": str(COMPUTE_CORE),
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
        **(variables or {}),
    }
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
        try:
            engine = Engine(f"http://127.0.0.1:{port}", blocks)
            _wait(process, engine, log)
            yield engine
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], engine: Engine, log: Path) -> None:
    give_up_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up_s:
        if process.poll() is not None:
            raise RuntimeError(f"vLLM ended with code {process.returncode}: {_tail(log)}")
        try:
            httpx.get(f"{engine.url}/health").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.5)
    raise RuntimeError(f"vLLM did not answer within {READY_WITHIN_S:.0f} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole process group to end, then make it."""
    for signal_, within_s in ((signal.SIGINT, END_WITHIN_S), (signal.SIGTERM, END_WITHIN_S), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, signal_)
            process.wait(within_s)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
