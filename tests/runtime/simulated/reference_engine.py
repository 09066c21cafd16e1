"""A plain engine to hold the kernel against: one step at a time, one list of KV blocks per request.

Written from the scheduling rules of vLLM V1 (first come, first served), and as slow as they are read; other schedulers
replace some of ``Rules``. One token position lives in one block; a block is in tables, on the free list, or in no
table and cached. The hash of a cached block is its prefix and its place in it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from runtime.pool import Pool


@dataclass(eq=False)
class Request:
    """A request and everything that happened to it; times in seconds."""

    arrival_s: float
    input: int
    output: int
    prefix: int = 0
    prefix_tokens: int = 0
    computed: int = 0
    hit: int = 0
    decoding: bool = False
    capped: bool = False
    refused: bool = False
    abort: bool = False
    ended_by_abort: bool = False
    preemptions: int = 0
    ticket: int = 0
    line: int = 0
    demand: int = 0
    table: list[int] = field(default_factory=list)
    token_s: list[float] = field(default_factory=list)
    first_scheduled_s: float | None = None
    finish_s: float | None = None

    @property
    def remaining(self) -> int:
        """Tokens, of the prompt and of what was generated, that are not in the KV cache yet."""
        return self.input + len(self.token_s) - self.computed

    def generated_by(self, at_s: float) -> int:
        """Tokens that had appeared by then."""
        return sum(t <= at_s for t in self.token_s)


class Rules:
    """Who joins the batch, when, and who gives way: vLLM's rules."""

    whole_prompts = False

    def waits(self, engine: ReferenceEngine, request: Request) -> None:
        """A request joins the waiting ones, newly or after a preemption."""

    def pick(self, engine: ReferenceEngine) -> Request:
        """Who is next; somebody waits."""
        return engine.waiting[0]

    def room(self, engine: ReferenceEngine) -> int:
        """Prompt tokens for this step: what the decoding requests leave of the budget."""
        return engine.pool.max_batched_tokens - sum(request.decoding for request in engine.running)

    def admits(self, engine: ReferenceEngine, request: Request, prefills: int, left: int) -> bool:
        """Whether that one may join beside so many prefills in this step."""
        return True

    def victim(self, engine: ReferenceEngine, place: int) -> Request:
        """Who gives way for the running request at that place."""
        return engine.running[-1]


class ReferenceEngine:
    """One replica of a pool."""

    def __init__(self, pool: Pool, now_s: float = 0.0, rules: Rules | None = None) -> None:
        self.pool = pool
        self.rules = rules or Rules()
        self.tickets = 0
        self.clock_s = now_s
        self.free = list(range(1, pool.kv_blocks))
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()
        self.ended: list[Request] = []
        self.pending: tuple[float, list[tuple[Request, int]]] | None = None
        self.step_tokens: list[int] = []
        self.busy_s = 0.0
        self.released_tokens = 0
        self.cached: dict[tuple[int, int], int] = {}
        self.held: Counter[int] = Counter()
        self.let_go: dict[int, int] = {}
        self.looked_up = self.found = 0
        self.max_tokens = min(pool.max_model_tokens, len(self.free) * pool.block_tokens)

    @property
    def load(self) -> int:
        """Running and waiting requests."""
        return len(self.running) + len(self.waiting)

    @property
    def unprefilled(self) -> int:
        """Tokens still to be prefilled."""
        running = sum(request.remaining for request in self.running if not request.decoding)
        return running + sum(request.remaining - request.hit for request in self.waiting)

    @property
    def used_blocks(self) -> int:
        """Blocks that are in a table; fails if one is counted wrongly, or lost."""
        tables = [block for request in self.running for block in request.table]
        assert Counter(tables) == self.held
        assert sorted([*self.held, *self.free, *self.evictable.values()]) == list(range(1, self.pool.kv_blocks))
        assert all(not request.table for request in (*self.waiting, *self.ended))
        shared = [block for block, tables_in in self.held.items() if tables_in > 1]
        assert set(shared) <= set(self.cached.values())
        return len(self.held)

    @property
    def evictable(self) -> dict[tuple[int, int], int]:
        """Cached blocks that are in no table, by hash."""
        return {of: block for of, block in self.cached.items() if block not in self.held}

    def lookup(self, request: Request) -> list[int]:
        """The cached blocks that a request would begin with; its last token is computed in any case."""
        most = min(self._sharing(request), (request.input + len(request.token_s) - 1) // self.pool.block_tokens)
        found: list[int] = []
        while len(found) < most and (request.prefix, len(found)) in self.cached:
            found.append(self.cached[request.prefix, len(found)])
        return found

    def enqueue(self, request: Request, now_s: float) -> None:
        """A request arrives at an engine that has been advanced to now."""
        if not 1 <= request.input < self.max_tokens:
            request.refused, request.finish_s = True, now_s
            self.ended.append(request)
            return
        request.capped = request.output > self.max_tokens - request.input
        request.output = min(request.output, self.max_tokens - request.input)
        if self.pending is None and not self.load:
            self.clock_s = max(self.clock_s, now_s)
        request.ticket, self.tickets = self.tickets, self.tickets + 1
        request.hit = len(self.lookup(request)) * self.pool.block_tokens
        self.rules.waits(self, request)
        self.waiting.append(request)

    def advance(self, until_s: float) -> None:
        """Every step that ends by then is over; one that began before then may be pending."""
        while True:
            if self.pending is not None:
                if self.pending[0] > until_s:
                    return
                self._complete(*self.pending)
            if not self.load or self.clock_s >= until_s:
                return
            self._begin()

    def _begin(self) -> None:
        for request in [r for r in (*self.running, *self.waiting) if r.abort]:
            (self.running if request in self.running else self.waiting).remove(request)
            request.ended_by_abort = True
            self._end(request)
        if not self.load:
            return
        plan = self._schedule()
        decoding = [request for request, _ in plan if request.decoding]
        kv_tokens = sum(request.computed + 1 for request in decoding)
        prefill_tokens = sum(tokens for request, tokens in plan if not request.decoding)
        step_s = self.pool.step.step_ms(len(decoding), kv_tokens, prefill_tokens) / 1000
        self.pending = self.clock_s + step_s, plan

    def _schedule(self) -> list[tuple[Request, int]]:
        plan: list[tuple[Request, int]] = []
        room = self.rules.room(self)
        preempted = False
        i = 0
        while i < len(self.running):
            request = self.running[i]
            tokens = 1 if request.decoding else min(request.remaining, room)
            while not self._allocate(request, tokens):
                preempted = True
                victim = self.rules.victim(self, i)
                self._preempt(victim)
                if victim is request:
                    break
            else:
                plan.append((request, tokens))
                room -= 0 if request.decoding else tokens
                i += 1
        while self.waiting and not preempted and room > 0 and len(self.running) < self.pool.max_num_seqs:
            request = self.rules.pick(self)
            prefills = sum(not r.decoding for r, _ in plan)
            found = self.lookup(request)
            room_for = len(self.free) + sum(block not in found for block in self.evictable.values())
            fits = self._blocks(request.remaining) - len(found) <= room_for
            request.computed = len(found) * self.pool.block_tokens
            if not fits or not self.rules.admits(self, request, prefills, room):
                request.computed = 0
                break
            request.table, request.hit = list(found), request.computed
            self.held.update(found)
            if request.first_scheduled_s is None:
                self.looked_up, self.found = self.looked_up + request.input, self.found + request.hit
            tokens = request.remaining if self.rules.whole_prompts else min(request.remaining, room)
            assert self._allocate(request, tokens)
            self.waiting.remove(request)
            self.running.append(request)
            if request.first_scheduled_s is None:
                request.first_scheduled_s = self.clock_s
            plan.append((request, tokens))
            room -= tokens
        return plan

    def _blocks(self, tokens: int) -> int:
        return -(-tokens // self.pool.block_tokens)

    def _sharing(self, request: Request) -> int:
        if not request.prefix or not self.pool.prefix_caching:
            return 0
        return min(request.prefix_tokens, request.input) // self.pool.block_tokens

    def _allocate(self, request: Request, tokens: int) -> bool:
        need = self._blocks(request.computed + tokens) - len(request.table)
        if need > len(self.free) + len(self.evictable):
            return False
        for _ in range(need):
            block = self.free.pop() if self.free else self._evict()
            request.table.append(block)
            self.held[block] += 1
        full = min(self._sharing(request), (request.computed + tokens) // self.pool.block_tokens)
        for i in range(request.computed // self.pool.block_tokens, full):
            self.cached.setdefault((request.prefix, i), request.table[i])
        return True

    def _evict(self) -> int:
        """The last block of the prefix that was let go first; of one step, by its key."""
        prefix, place = min(self.evictable, key=lambda of: (self.let_go[of[0]], of[0], -of[1]))
        return self.cached.pop((prefix, place))

    def _release(self, request: Request) -> None:
        self.held -= Counter(request.table)
        of = {block: prefix for (prefix, _), block in self.cached.items()}
        for block in request.table:
            if block not in self.held and block in of:
                self.let_go[of[block]] = len(self.step_tokens)
            elif block not in self.held:
                self.free.append(block)
        request.table = []
        request.decoding = False

    def _preempt(self, victim: Request) -> None:
        self.running.remove(victim)
        self._release(victim)
        victim.computed = 0
        victim.preemptions += 1
        victim.hit = len(self.lookup(victim)) * self.pool.block_tokens
        self.rules.waits(self, victim)
        self.waiting.appendleft(victim)

    def _complete(self, end_s: float, plan: list[tuple[Request, int]]) -> None:
        self.busy_s += end_s - self.clock_s
        self.clock_s, self.pending = end_s, None
        self.step_tokens.append(sum(tokens for _, tokens in plan))
        for request, tokens in plan:
            request.computed += tokens
            assert len(request.table) == self._blocks(request.computed)
            if request.remaining:
                continue
            request.decoding = True
            request.token_s.append(end_s)
            if len(request.token_s) >= request.output:
                self.running.remove(request)
                self._end(request)

    def _end(self, request: Request) -> None:
        shared = sum(block in self.cached.values() for block in request.table)
        self.released_tokens += request.computed - shared * self.pool.block_tokens
        self._release(request)
        request.finish_s = self.clock_s
        self.ended.append(request)
