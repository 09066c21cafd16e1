"""LARRY inside vLLM: ``vllm serve MODEL --scheduler-cls runtime.schedulers.larry.LarryScheduler``.

A request joins while the KV blocks that it and those that run are expected to hold fill less than ``full_percent`` of
the cache, so that growth seldom forces anybody out. While that is calm the order is vLLM's own; the more is demanded
the more the uncached prompt counts against the time waited, and whoever has waited ``patience_s`` goes first. If
blocks run out all the same, whoever costs least to recompute gives way. arXiv 2410.17840.
"""

from __future__ import annotations

from typing import Any

from vllm.v1.request import RequestStatus

from runtime.schedulers import arithmetic
from runtime.schedulers.lines import Entry
from runtime.schedulers.scheduler import PolicyScheduler
from runtime.schedulers.waiting import Request


class LarryScheduler(PolicyScheduler):
    """Admission by predicted memory, order by prefill when it is crowded, the cheapest victim."""

    title = "LARRY"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._counted = 0
        self._to_grow = 0
        self._allocate = self.kv_cache_manager.allocate_slots
        # The only place where vLLM lets a scheduler know that somebody has to give way, just before it says who.
        self.kv_cache_manager.allocate_slots = self._allocate_slots

    def line(self, request: Request, prefill_tokens: int) -> int:
        """By class of uncached prompt."""
        return 1 + arithmetic.length_class(prefill_tokens)

    def next_waiting(self, now_s: float) -> Entry[Request] | None:
        """Whoever is overdue, or else by prefill as far as it is crowded."""
        heads = self.waiting.lines.heads()
        first = arithmetic.overdue(heads, now_s, self.settings.patience_s)
        return first or arithmetic.shortest_prefill(heads, self.crowding(), self.settings.prefill_s_per_token)

    def admits(self, entry: Entry[Request]) -> bool:
        """Whether its demand fits, blocks aside that it shares with what runs."""
        shared = sum(1 for block in self.cached(entry.request) if block.ref_cnt)
        wanted = entry.demand_blocks - shared
        full = self.settings.full_percent
        return arithmetic.admits(len(self.running), self.running_blocks(), wanted, self.usable_blocks, full)

    def crowding(self) -> float:
        """From 0, order of arrival, to 1."""
        demanded = self.running_blocks() + self.waiting.lines.demand_blocks
        return arithmetic.crowding(demanded, self.usable_blocks)

    def running_blocks(self) -> int:
        """What runs is expected to hold: the blocks in use, shared ones once, and those still to come.

        Nobody that is counted grows before the next step, so within one only who has joined since is added.
        """
        for request in self.running[self._counted :]:
            held = len(self.kv_cache_manager.get_blocks(request.request_id).blocks[0])
            entry = self.waiting.entry(request)
            if held > entry.demand_blocks:
                entry.demand_blocks = self.demand(request)
            self._to_grow += max(0, entry.demand_blocks - held)
        self._counted = len(self.running)
        free: int = self.kv_cache_manager.block_pool.get_num_free_blocks()
        return self.usable_blocks - free + self._to_grow

    def schedule(self, throttle_prefills: bool = False) -> Any:
        """One step, as vLLM does it."""
        self._counted = self._to_grow = 0
        return super().schedule(throttle_prefills)

    def _allocate_slots(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        found = self._allocate(request, *args, **kwargs)
        if found is None and request.status == RequestStatus.RUNNING:
            self._put_victim_last(request)
        return found

    def _put_victim_last(self, request: Request) -> None:
        """vLLM preempts the last that runs; nobody before ``request`` may be, as their blocks for this step are given.

        Nor may ``request`` itself while another can: vLLM would leave out everybody behind it for this step.
        """
        after = self.running.index(request) + 1
        behind = [(other.num_computed_tokens, other.num_preemptions) for other in self.running[after:]]
        if behind:
            self.running.append(self.running.pop(after + arithmetic.victim(behind)))

    def state(self) -> str:
        """Crowding and demands."""
        wanted, held = self.waiting.lines.demand_blocks, self.running_blocks()
        return f"crowding {self.crowding():.2f}, {wanted} blocks wanted beside {held} of {self.usable_blocks}"
