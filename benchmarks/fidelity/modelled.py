"""A load through vLLM's scheduler alone, in vLLM's interpreter: no model, no clock, so no noise of the machine.

Scheduler, queues and KV block tables are vLLM's (``driver``); only how long a step takes is computed, by the law that
docs/fidelity.md fitted on the whole engine.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.fidelity.client import Answer
from benchmarks.fidelity.engine import BATCHED_TOKENS, MAX_SEQS
from runtime.local import model
from runtime.traces import Trace

ROOT = Path(__file__).parents[2]
VLLM_S_OWN = "vllm.v1.core.sched.async_scheduler.AsyncScheduler"
AFTER_S = 60.0
"""The load begins so long after what it is preceded by, from which lengths are learnt."""


def case(scheduler: str, before: Trace, load: Trace, law_ms: Sequence[float], **rest: Any) -> dict[str, Any]:
    """One load for ``play``; ``rest`` are blocks and environment variables, as ``driver`` knows them."""
    requests = [*_requests(before, 0.0), *_requests(load, AFTER_S)]
    sizes = {"seqs": MAX_SEQS, "budget": BATCHED_TOKENS, "law_ms": list(law_ms)}
    return {"scheduler": scheduler, "requests": requests, "skip": len(before.arrival_s), **sizes, **rest}


def _requests(load: Trace, from_s: float) -> list[dict[str, Any]]:
    columns = zip(load.arrival_s, load.input_tokens, load.output_tokens, strict=True)
    return [{"at": float(at) + from_s, "prompt": int(prompt), "output": int(output)} for at, prompt, output in columns]


def play(python: Path, cases: Sequence[Mapping[str, Any]]) -> list[tuple[list[Answer], int]]:
    """Answers and preemptions of each. Raises RuntimeError with what vLLM said if it ended or refused a case."""
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "WARNING", "PYTHONPATH": str(ROOT)}
    with TemporaryDirectory() as folder:
        model.write(Path(folder))
        command = [str(python), "-m", "benchmarks.fidelity.driver", folder]
        asked = "".join(json.dumps(one) + "\n" for one in cases)
        ended = subprocess.run(command, input=asked, env=variables, cwd=ROOT, text=True, capture_output=True)
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    refused = [one["error"] for one in found if "error" in one]
    if ended.returncode or refused:
        raise RuntimeError(refused[0] if refused else ended.stderr[-2000:])
    return [(_answers(one, result), result["preemptions"]) for one, result in zip(cases, found, strict=True)]


def _answers(asked: Mapping[str, Any], found: Mapping[str, Any]) -> list[Answer]:
    answers = []
    for number, request in list(enumerate(asked["requests"]))[asked["skip"] :]:
        at_s, token_s = request["at"] - AFTER_S, np.array(found["token_s"][f"r{number}"]) - AFTER_S
        answers.append(Answer(at_s, at_s, request["prompt"], token_s))
    return answers
