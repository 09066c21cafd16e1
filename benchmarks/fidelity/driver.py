"""Run inside vLLM's interpreter: real scheduler classes on real KV block tables, without a model or a clock.

``python -m benchmarks.fidelity.driver MODEL`` reads JSON cases from stdin, one a line, and answers with one line of
JSON each. A case names a scheduler, the engine's size and its requests. A step gives each request whose prompt is
computed one token; it takes ``step_s`` of virtual time, or what ``law_ms`` (a, b, k, p as in DESIGN 4) says.
"""

from __future__ import annotations

import json
import os
import sys
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from vllm.engine.arg_utils import EngineArgs
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output import StructuredOutputManager

BLOCK = 32
MOST_STEPS = 100_000
TOKEN = 7


@lru_cache
def settled(model: str, seqs: int, budget: int, caching: bool, policy: str) -> Any:
    """vLLM's configuration, which takes it a second to make."""
    args = EngineArgs(
        model=model,
        load_format="dummy",
        block_size=BLOCK,
        max_num_seqs=seqs,
        max_num_batched_tokens=budget,
        enable_prefix_caching=caching,
        scheduling_policy=policy,
    )
    return args.create_engine_config()


def build(model: str, case: dict[str, Any]) -> Any:
    """The case's scheduler, over so many KV blocks."""
    caching, policy = case.get("caching", False), case.get("policy", "fcfs")
    config = settled(model, case.get("seqs", 64), case.get("budget", 1024), caching, policy)
    config.cache_config.num_gpu_blocks = case["blocks"]
    spec = FullAttentionSpec(block_size=BLOCK, num_kv_heads=1, head_size=1, dtype=torch.float32)
    cache = KVCacheConfig(case["blocks"], [], [KVCacheGroupSpec(["layer"], spec)])
    module, name = case["scheduler"].rsplit(".", 1)
    return getattr(import_module(module), name)(
        vllm_config=config,
        kv_cache_config=cache,
        structured_output_manager=StructuredOutputManager(config),
        block_size=BLOCK,
        log_stats=True,
    )


def request(name: str, asked: dict[str, Any], number: int) -> Request:
    """Its prompt is its own, but for the first ``shared`` tokens, which all have in common."""
    own = asked["prompt"] - asked.get("shared", 0)
    prompt = [1] * asked.get("shared", 0) + [2 + number + i for i in range(own)]
    hasher = get_request_block_hasher(BLOCK, sha256)
    params = SamplingParams(max_tokens=asked["output"], ignore_eos=True)
    return Request(name, prompt, params, None, block_hasher=hasher)


class Run:
    """One case on its way."""

    def __init__(self, model: str, case: dict[str, Any]) -> None:
        self.case, self.now_s = case, 0.0
        self.engine = build(model, case)
        self.engine.clock = lambda: self.now_s
        asked = enumerate(case["requests"])
        self.coming = sorted(((one["at"], f"r{number}", number) for number, one in asked), reverse=True)
        self.aborts = {f"r{n}": one["abort"] for n, one in enumerate(case["requests"]) if "abort" in one}
        self.requests: dict[str, Request] = {}
        self.order: list[str] = []
        self.waited_s: dict[str, float] = {}
        self.token_s: dict[str, list[float]] = {}
        self.deferred = 0

    def arrive(self) -> None:
        """What is due comes and goes."""
        while self.coming and self.coming[-1][0] <= self.now_s:
            _, name, number = self.coming.pop()
            self.requests[name] = request(name, self.case["requests"][number], 1000 * number)
            self.engine.add_request(self.requests[name])
        for name in [name for name, at_s in self.aborts.items() if at_s <= self.now_s]:
            del self.aborts[name]
            self.engine.finish_requests(name, RequestStatus.FINISHED_ABORTED)

    def step(self) -> None:
        """Schedule, compute nothing, give tokens."""
        output = self.engine.schedule()
        for new in output.scheduled_new_reqs:
            self.order.append(new.req_id)
            self.waited_s[new.req_id] = self.now_s - self.case["requests"][int(new.req_id[1:])]["at"]
        names = list(output.num_scheduled_tokens)
        tokens = [[] if self.requests[name].is_prefill_chunk else [TOKEN] for name in names]
        self.now_s += self.lasts_s(output.num_scheduled_tokens)
        for name in (name for name, given in zip(names, tokens, strict=True) if given):
            self.token_s.setdefault(name, []).append(self.now_s)
        self.engine.update_from_output(output, ModelRunnerOutput(names, {n: i for i, n in enumerate(names)}, tokens))
        stats = self.engine.make_stats()
        self.deferred = max(self.deferred, stats.num_skipped_waiting_reqs)

    def lasts_s(self, scheduled: dict[str, int]) -> float:
        """How long a step of so many tokens per request takes."""
        if "law_ms" not in self.case:
            return float(self.case.get("step_s", 0.05))
        a, b, k, p = self.case["law_ms"]
        decoding = [self.requests[name].num_computed_tokens for name, tokens in scheduled.items() if tokens == 1]
        prefill = sum(tokens for tokens in scheduled.values() if tokens > 1)
        return float(a + b * len(decoding) + k * sum(decoding) / 1000 + p * prefill / 1000) / 1000

    def all(self) -> dict[str, Any]:
        """Until nothing is left; raises RuntimeError if that never comes."""
        for steps in range(MOST_STEPS):
            self.arrive()
            if steps == self.case.get("reset"):
                self.engine.reset_prefix_cache(reset_running_requests=True)
            if not self.engine.has_unfinished_requests():
                if not self.coming:
                    return self.found(steps)
                self.now_s = self.coming[-1][0]
                continue
            self.step()
        raise RuntimeError(f"still {self.engine.get_request_counts()} after {MOST_STEPS} steps")

    def found(self, steps: int) -> dict[str, Any]:
        """What became of it."""
        return {
            "order": self.order,
            "waited_s": self.waited_s,
            "token_s": self.token_s,
            "outputs": {name: one.num_output_tokens for name, one in self.requests.items()},
            "preemptions": sum(one.num_preemptions for one in self.requests.values()),
            "most_preempted": max((one.num_preemptions for one in self.requests.values()), default=0),
            "free_blocks": self.engine.kv_cache_manager.block_pool.get_num_free_blocks(),
            "steps": steps,
            "deferred": self.deferred,
        }


def answer(model: str, case: dict[str, Any]) -> dict[str, Any]:
    """The outcome, or the line with which the engine refused to start."""
    os.environ.update(case.get("variables", {}))
    try:
        return Run(model, case).all()
    except (ValueError, RuntimeError) as error:
        return {"error": str(error)}
    finally:
        for name in case.get("variables", {}):
            del os.environ[name]


def main() -> None:
    """Every case on stdin; other output of vLLM goes to stderr."""
    init_none_hash(sha256)
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        out.write(json.dumps(answer(sys.argv[1], json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
