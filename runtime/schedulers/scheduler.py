"""What our vLLM schedulers have in common: vLLM's own asynchronous scheduler with another waiting queue in it.

Everything that vLLM does stays its own (chunked prefill, prefix cache, structured output, aborts, pauses, speculative
decoding); a policy says who is next and may join, and learns from what ended how long answers are. Written against
internals, so the versions are named, and any other is refused at the start.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from typing import Any

import vllm
from vllm.logger import init_logger
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.request_queue import SchedulingPolicy
from vllm.v1.request import RequestStatus

from runtime.schedulers.arithmetic import Lengths, blocks
from runtime.schedulers.lines import Entry
from runtime.schedulers.settings import read
from runtime.schedulers.waiting import PolicyQueue, Request

SUPPORTED = ("0.32.0",)
"""Releases of vLLM that the tests run against."""

logger = init_logger("vllm.leadtime.scheduler")
"""Below vLLM's own logger, whose handlers and level it takes."""


def check_version(version: str) -> None:
    """Raises RuntimeError, in one line, for a vLLM that this was not tested with; a build's suffix is no difference."""
    if version.split("+")[0] not in SUPPORTED:
        raise RuntimeError(f"this scheduler supports vLLM {', '.join(SUPPORTED)} and this is {version}")


class PolicyScheduler(AsyncScheduler):
    """Subclasses choose whom to admit; this one keeps lines, lengths, clock and log."""

    title = "policy"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        check_version(vllm.__version__)
        self.settings = read(os.environ)
        super().__init__(*args, **kwargs)
        if self.policy != SchedulingPolicy.FCFS:
            raise ValueError(f"{self.title} orders requests itself: leave out --scheduling-policy {self.policy.value}")
        if len(self.kv_cache_config.kv_cache_groups) > 1:
            groups = len(self.kv_cache_config.kv_cache_groups)
            raise ValueError(f"{self.title} counts the blocks of one KV cache group, and this model has {groups}")
        self.clock = time.monotonic
        self.lengths = Lengths()
        self.waiting: PolicyQueue = PolicyQueue(self._enter, self._choose)
        self.usable_blocks: int = self.kv_cache_manager.block_pool.num_gpu_blocks - 1  # One is vLLM's null block.
        self._most_tokens = min(self.max_model_len, self.usable_blocks * self.block_size)
        self._tickets = 0
        self._preempted = 0
        self._held_back = False
        self._told_s = self.clock()
        logger.info("%s schedules: %s", self.title, self.settings)

    @abstractmethod
    def next_waiting(self, now_s: float) -> Entry[Request] | None:
        """Who is next of those that were never preempted."""

    @abstractmethod
    def line(self, request: Request, prefill_tokens: int) -> int:
        """The waiting line, 1 or above, of a request that arrives."""

    def admits(self, entry: Entry[Request]) -> bool:
        """Whether that one may join now; vLLM itself sees to it that its prompt finds blocks."""
        return True

    def predicted_tokens(self, request: Request) -> int:
        """The whole answer of a request, by the answers of its like that are longer than what it has written."""
        prompt, written = request.num_prompt_tokens, request.num_output_tokens
        expected = self.lengths.predict(prompt, written, self.settings.percent)
        return min(expected, max(written, request.max_tokens)) if self.settings.trust_max_tokens else expected

    def demand(self, request: Request) -> int:
        """KV blocks that a request is expected to hold when it ends."""
        tokens = request.num_prompt_tokens + self.predicted_tokens(request)
        return blocks(min(self._most_tokens, tokens), self.block_size)

    def cached(self, request: Request) -> list[Any]:
        """The blocks of its beginning that are in the prefix cache, none of them taken by this."""
        if not self.kv_cache_manager.prefix_cache_lookup_enabled(request):
            return []
        found = self.kv_cache_manager.coordinator.find_longest_cache_hit(request.block_hashes, request.num_tokens - 1)
        return list(found[0][0])

    def schedule(self, throttle_prefills: bool = False) -> Any:
        """One step, as vLLM does it."""
        self.waiting.renew()
        output = super().schedule(throttle_prefills)
        self._tell()
        return output

    def make_stats(self, *args: Any, **kwargs: Any) -> Any:
        """vLLM's figures; whoever is held back by the policy counts as deferred and not as waiting for capacity."""
        stats = super().make_stats(*args, **kwargs)
        if stats is not None and self._held_back:
            stats.num_skipped_waiting_reqs += stats.num_waiting_reqs
            stats.num_waiting_reqs = 0
        return stats

    def _enter(self, request: Request) -> Entry[Request]:
        self._tickets += 1
        prefill_tokens = max(1, request.num_tokens - len(self.cached(request)) * self.block_size)
        line = self.line(request, prefill_tokens)
        return Entry(request, self._tickets, self.clock(), line, prefill_tokens, self.demand(request))

    def _choose(self) -> Entry[Request] | None:
        entry = self.waiting.lines.preempted() or self.next_waiting(self.clock())
        if entry is not None:
            # Lengths may have been learnt since it came, and it may have written something before it was preempted.
            self.waiting.lines.demand(entry, self.demand(entry.request))
        self._held_back = entry is not None and not self.admits(entry)
        return None if self._held_back else entry

    def _preempt_request(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self._preempted += 1
        super()._preempt_request(request, *args, **kwargs)

    def _free_request(self, request: Request, delay_free_blocks: bool = False) -> Any:
        self.waiting.end(request)
        if request.status in (RequestStatus.FINISHED_STOPPED, RequestStatus.FINISHED_LENGTH_CAPPED):
            self.lengths.learn(request.num_prompt_tokens, request.num_output_tokens)
        return super()._free_request(request, delay_free_blocks)

    def _tell(self) -> None:
        now_s, every_s = self.clock(), self.settings.log_every_s
        if not every_s or now_s - self._told_s < every_s:
            return
        self._told_s = now_s
        oldest_s = max((now_s - entry.arrival_s for entry in self.waiting.lines.heads()), default=0.0)
        logger.info(
            "%s: %d running, %d waiting%s, oldest for %.1f s; %d preempted so far; lengths of %d answers known; %s",
            *(self.title, len(self.running), len(self.waiting), ", held back" if self._held_back else "", oldest_s),
            *(self._preempted, self.lengths.seen, self.state()),
        )

    def state(self) -> str:
        """What else a log line says."""
        return "vLLM's own admission"
