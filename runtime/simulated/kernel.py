"""The engine: how vLLM V1 schedules a batch on a paged KV cache, compressed from steps to events.

The rules are vLLM's (first come, first served) unless a scheduler changes one: a token budget per step; running
requests first, in the order of their admission; prompts prefilled in chunks of what the budget leaves; KV blocks taken
as tokens are computed; where no block is free, the newest running request is preempted and recomputed later; waiting
requests join only in a step without preemption, head of line, while sequences, budget and blocks for the whole prompt
allow, less the blocks of their beginning that ``prefixes`` finds in the cache. What another scheduler does instead
stands in ``schedulers``; none decides by anything that changes while a batch only decodes, but for the patience of who
waits.

While a batch only decodes, nothing changes between two events (a finish, an arrival, the last free block), and n
steps last ``n·(a + b·N + k·K) + k·N·n(n+1)/2``: so they are taken at once. Decoding requests carry no state of
their own meanwhile: ``computed`` and ``generated`` are as of ``join_step``, and the replica's step counter says the
rest.

A step in progress is *pending* until its end: what arrives during it cannot join it, and nobody outside sees its
tokens. Times are seconds. Tests hold this file equal to a plain step-by-step engine with real block tables.
"""

from __future__ import annotations

import math

import numpy as np

from runtime.simulated import buckets as h
from runtime.simulated.finishing import next_finish, pop, push
from runtime.simulated.jit import jit, jit_apart
from runtime.simulated.observing import observe, observe_end, observe_steps
from runtime.simulated.prefixes import evict, extend, hits, hold, idle, let_go
from runtime.simulated.queues import append_running, append_waiting, pop_waiting, put_first, remove_running
from runtime.simulated.schedulers import (
    FCFS,
    SHORTEST_PREDICTED,
    admits,
    demand,
    line,
    pick,
    room,
)
from runtime.simulated.schedulers import victim as _victim
from runtime.simulated.schedulers.lengths import learn
from runtime.simulated.schedulers.lines import due_s, oldest
from runtime.simulated.state import (
    DECODE,
    DONE,
    LINES,
    NO_SLOT,
    PREFILL,
    REASON_ABORT,
    REASON_LENGTH,
    REASON_REJECTED,
    REASON_STOP,
    WAITING,
    EngineState,
)

INF = np.inf


@jit
def _blocks(tokens: int, block: int) -> int:
    return (tokens + block - 1) // block


# --- joining and leaving the set of decoding requests -----------------------------------------------------------


@jit
def _phase(s: EngineState, row: int, slot: int) -> int:
    """Offset class of a decoding request: it needs a new block in every step t with (phase + t) % block == 0."""
    req = s.requests[slot]
    return (req.computed - req.join_step) % s.replicas[row].block


@jit
def _join_decode(s: EngineState, row: int, slot: int) -> None:
    rep = s.replicas[row]
    req = s.requests[slot]
    req.status = DECODE
    req.join_step = rep.steps
    req.finish_step = rep.steps + req.output - req.generated
    rep.decoding += 1
    rep.kv_tokens += req.computed
    s.phase[row, _phase(s, row, slot)] += 1
    push(s, row, req.finish_step, slot)


@jit
def _leave_decode(s: EngineState, row: int, slot: int) -> None:
    """Bring the request's own figures up to date and take it out of the sums."""
    rep = s.replicas[row]
    req = s.requests[slot]
    s.phase[row, _phase(s, row, slot)] -= 1
    done = rep.steps - req.join_step
    req.computed += done
    req.generated += done
    req.join_step = rep.steps
    rep.decoding -= 1
    rep.kv_tokens -= req.computed


@jit
def _take(s: EngineState, row: int, blocks: int) -> None:
    """So many free blocks are used from now on; those that have a prefix in them come last."""
    rep = s.replicas[row]
    rep.used_blocks += blocks
    if rep.evictable_blocks > rep.usable_blocks - rep.used_blocks:
        evict(s, row)


@jit
def _release(s: EngineState, row: int, slot: int) -> None:
    """A running request gives its blocks back, those that it shares only as far as it is concerned."""
    rep = s.replicas[row]
    req = s.requests[slot]
    rep.used_blocks -= _blocks(req.computed, rep.block) - req.shared
    let_go(s, row, slot)


@jit
def _end(s: EngineState, row: int, slot: int, reason: int) -> None:
    """The request is over: its blocks return, its figures go into the histograms."""
    rep = s.replicas[row]
    req = s.requests[slot]
    rep.released_tokens += req.computed - req.shared * rep.block
    _release(s, row, slot)
    rep.prompt_in_flight -= req.input
    remove_running(s, row, slot)
    req.status, req.reason, req.finish = DONE, reason, rep.clock
    s.done[s.done_count[0]] = slot
    s.done_count[0] += 1
    if reason == REASON_ABORT:
        rep.aborted += 1
        return
    if reason == REASON_LENGTH:
        rep.length_capped += 1
    else:
        rep.stopped += 1
    if rep.scheduler >= SHORTEST_PREDICTED:
        learn(s, row, req.input, req.output)
    observe_end(s, row, slot)


@jit
def _preempt(s: EngineState, row: int, slot: int) -> None:
    """Free the blocks of a running request and put it first in the waiting line."""
    rep = s.replicas[row]
    req = s.requests[slot]
    if req.status == DECODE:
        _leave_decode(s, row, slot)
        req.last_token = rep.clock
    else:
        rep.partial = NO_SLOT
    rep.unprefilled += req.computed if req.status == PREFILL else req.input + req.generated
    _release(s, row, slot)
    remove_running(s, row, slot)
    req.hit = hits(s, row, slot) * rep.block
    rep.unprefilled -= req.hit
    req.computed = 0
    req.status = WAITING
    req.preemptions += 1
    rep.preemptions += 1
    req.demand = demand(s, row, slot)
    put_first(s, row, slot)


# --- one step: schedule, then complete ---------------------------------------------------------------------------


@jit
def _decode_blocks(s: EngineState, row: int, n: int) -> int:
    """Blocks that the decoding requests will take in the next n steps."""
    rep = s.replicas[row]
    total = (n // rep.block) * rep.decoding
    for i in range(n % rep.block):
        total += s.phase[row, (-(rep.steps + i)) % rep.block]
    return total


@jit_apart
def _schedule_scarce(s: EngineState, row: int, chunk: int) -> bool:
    """Running requests take their blocks one by one, oldest first, and some give way. True if any did."""
    rep = s.replicas[row]
    preempted = False
    slot = rep.run_head
    while slot != NO_SLOT:
        req = s.requests[slot]
        if req.status == DECODE:
            computed = req.computed + rep.steps - req.join_step
            need = 1 if computed % rep.block == 0 else 0
        else:
            need = _blocks(req.computed + chunk, rep.block) - _blocks(req.computed, rep.block)
        while rep.usable_blocks - rep.used_blocks < need:
            preempted = True
            victim = _victim(s, row, slot)
            following = req.next
            _preempt(s, row, victim)
            if victim == slot:
                break
        if req.status == WAITING:
            slot = following
        else:
            _take(s, row, need)
            slot = req.next
    return preempted


@jit
def _schedule_running(s: EngineState, row: int) -> int:
    """Blocks and budget for the running requests; gives the budget left, or -1 after a preemption."""
    rep = s.replicas[row]
    budget = room(s, row)
    chunk = 0
    need = s.phase[row, (-rep.steps) % rep.block]
    if rep.partial != NO_SLOT:
        req = s.requests[rep.partial]
        chunk = min(req.input + req.generated - req.computed, budget)
        need += _blocks(req.computed + chunk, rep.block) - _blocks(req.computed, rep.block)
    if need <= rep.usable_blocks - rep.used_blocks:
        _take(s, row, need)
    elif _schedule_scarce(s, row, chunk):
        budget = -1
    if rep.partial != NO_SLOT:
        extend(s, row, rep.partial, s.requests[rep.partial].computed + chunk)
        s.prefill_slot[row, 0] = rep.partial
        s.prefill_tokens[row, 0] = chunk
        rep.prefills = 1
        if budget > 0:
            budget -= chunk
    return budget


@jit
def _read_prefix(s: EngineState, row: int, slot: int, found: int) -> None:
    """A request that joins holds the blocks that it found in the cache, whose tokens are computed already."""
    rep = s.replicas[row]
    req = s.requests[slot]
    hold(s, row, slot, found)
    req.computed = found * rep.block
    rep.unprefilled -= req.computed - req.hit
    req.hit = req.computed
    if req.first_scheduled < 0 and rep.prefix_caching:
        rep.prefix_queries_tokens += req.input
        rep.prefix_hits_tokens += req.hit


@jit
def _admit(s: EngineState, row: int, budget: int) -> None:
    """Waiting requests join, in the scheduler's order, until sequences, budget or blocks run out; nobody passes."""
    rep = s.replicas[row]
    while rep.waiting > 0 and budget > 0 and rep.running < rep.max_seqs:
        slot = pick(s, row)
        req = s.requests[slot]
        found = hits(s, row, slot)
        taken = _blocks(req.input + req.generated, rep.block) - found + idle(s, row, slot, found)
        tokens = req.input + req.generated - found * rep.block
        if taken > rep.usable_blocks - rep.used_blocks or not admits(s, row, slot, tokens, budget):
            return
        pop_waiting(s, row, slot)
        append_running(s, row, slot)
        _read_prefix(s, row, slot, found)
        chunk = tokens if rep.scheduler == FCFS else min(tokens, budget)
        _take(s, row, _blocks(req.computed + chunk, rep.block) - found)
        extend(s, row, slot, req.computed + chunk)
        budget -= chunk
        req.status = PREFILL
        if req.first_scheduled < 0:
            req.first_scheduled = rep.clock
        s.prefill_slot[row, rep.prefills] = slot
        s.prefill_tokens[row, rep.prefills] = chunk
        rep.prefills += 1
        if chunk < tokens:
            rep.partial = slot


@jit_apart
def _remove_aborted(s: EngineState, row: int) -> None:
    """Take out everything that was marked for abortion; blocks return at once, as in vLLM."""
    rep = s.replicas[row]
    slot = rep.run_head
    while slot != NO_SLOT:
        following = s.requests[slot].next
        if s.requests[slot].reason == REASON_ABORT:
            if s.requests[slot].status == DECODE:
                _leave_decode(s, row, slot)
            else:
                rep.partial = NO_SLOT
                rep.unprefilled -= s.requests[slot].input + s.requests[slot].generated - s.requests[slot].computed
            _end(s, row, slot, REASON_ABORT)
        slot = following
    rep.waiting = rep.waiting_tokens = rep.demand_waiting = 0
    for at in range(LINES):
        kept = s.line_head[row, at]
        s.line_head[row, at] = s.line_tail[row, at] = NO_SLOT
        while kept != NO_SLOT:
            following = s.requests[kept].next
            if s.requests[kept].reason == REASON_ABORT:
                rep.unprefilled -= s.requests[kept].input + s.requests[kept].generated - s.requests[kept].hit
                append_running(s, row, kept)
                _end(s, row, kept, REASON_ABORT)
            else:
                append_waiting(s, row, kept)
            kept = following
    rep.aborting = 0


@jit
def _finish_due(s: EngineState, row: int) -> None:
    rep = s.replicas[row]
    while True:
        step = next_finish(s, row)
        if step < 0 or step > rep.steps:
            return
        slot = s.heap_slot[row, 0]
        pop(s, row)
        _leave_decode(s, row, slot)
        _end(s, row, slot, REASON_LENGTH if s.requests[slot].capped else REASON_STOP)


@jit
def _take_decode_steps(s: EngineState, row: int, n: int, first_s: float, growth_s: float) -> None:
    """Complete n decode-only steps, of which the first one's blocks are already taken."""
    rep = s.replicas[row]
    _take(s, row, _decode_blocks(s, row, n) - s.phase[row, (-rep.steps) % rep.block])
    observe_steps(s, row, first_s, growth_s, n)
    elapsed = n * first_s + growth_s * n * (n - 1) / 2
    rep.clock += elapsed
    rep.busy_s += elapsed
    rep.steps += n
    rep.kv_tokens += n * rep.decoding
    rep.generation_tokens += n * rep.decoding
    _finish_due(s, row)


@jit
def _complete_prefills(s: EngineState, row: int) -> None:
    """Prompt tokens of the finished step are computed; a prompt that is complete gives its next token."""
    rep = s.replicas[row]
    for i in range(rep.prefills):
        slot = s.prefill_slot[row, i]
        req = s.requests[slot]
        req.computed += s.prefill_tokens[row, i]
        rep.unprefilled -= s.prefill_tokens[row, i]
        if req.computed < req.input + req.generated:
            continue
        if rep.partial == slot:
            rep.partial = NO_SLOT
        if req.generated == 0:
            req.first_token = rep.clock
            rep.prompt_tokens += req.input
            rep.prompt_tokens_cached += req.hit
            observe(s, row, h.TTFT, rep.clock - req.arrival, 1)
        else:
            observe(s, row, h.ITL, rep.clock - req.last_token, 1)
        req.generated += 1
        rep.generation_tokens += 1
        if req.generated >= req.output:
            _end(s, row, slot, REASON_LENGTH if req.capped else REASON_STOP)
        else:
            _join_decode(s, row, slot)
    rep.prefills = 0


@jit
def _complete_step(s: EngineState, row: int) -> None:
    """The pending step ends: tokens appear, finished requests leave."""
    rep = s.replicas[row]
    elapsed = rep.pending_end - rep.clock
    prefill_tokens = 0
    for i in range(rep.prefills):
        prefill_tokens += s.prefill_tokens[row, i]
    rep.clock = rep.pending_end
    rep.pending_end = INF
    rep.busy_s += elapsed
    rep.steps += 1
    rep.kv_tokens += rep.decoding
    rep.generation_tokens += rep.decoding
    observe(s, row, h.ITERATION, rep.decoding + prefill_tokens, 1)
    if rep.decoding > 0:
        observe(s, row, h.ITL, elapsed, rep.decoding)
    if prefill_tokens > 0:
        rep.prefill_s += rep.p * prefill_tokens
        _complete_prefills(s, row)
    _finish_due(s, row)


@jit
def _steps_within(first_s: float, growth_s: float, time_s: float) -> int:
    """How many steps of durations first, first + growth, … end within that time."""
    if growth_s <= 0:
        return int(time_s / first_s)
    half = first_s / growth_s - 0.5
    n = int(math.sqrt(half * half + 2 * time_s / growth_s) - half)
    while n > 0 and n * first_s + growth_s * n * (n - 1) / 2 > time_s:
        n -= 1
    while (n + 1) * first_s + growth_s * (n + 1) * n / 2 <= time_s:
        n += 1
    return n


@jit
def _begin_step(s: EngineState, row: int, until_s: float) -> None:
    """Schedule now: take every decode-only step that ends by ``until_s``, or leave one step pending."""
    rep = s.replicas[row]
    if rep.aborting > 0:
        _remove_aborted(s, row)
        if rep.running == 0 and rep.waiting == 0:
            return
    rep.prefills = 0
    budget = _schedule_running(s, row)
    if budget > 0:
        _admit(s, row, budget)
    prefill_tokens = 0
    for i in range(rep.prefills):
        prefill_tokens += s.prefill_tokens[row, i]
    kv = rep.kv_tokens + rep.decoding
    duration = rep.a + rep.b * rep.decoding + rep.k * kv + rep.p * prefill_tokens
    rep.wake = rep.clock + duration
    if prefill_tokens == 0 and budget >= 0:
        growth = rep.k * rep.decoding
        to_finish = next_finish(s, row) - rep.steps
        n = min(to_finish, _steps_within(duration, growth, until_s - rep.clock))
        free = rep.usable_blocks - rep.used_blocks + s.phase[row, (-rep.steps) % rep.block]
        if n > 1 and free < (n // rep.block + 1) * rep.decoding:
            n = min(n, _steps_with_blocks(s, row, free))
        if rep.waiting > 0 and rep.scheduler >= SHORTEST_PREDICTED:
            # Whoever's patience ends is next from then on, which may change what the following step does.
            to_finish = min(to_finish, _steps_until_due(s, row, duration, growth))
            n = min(n, to_finish)
        if n >= 1:
            _take_decode_steps(s, row, n, duration, growth)
            return
        rep.wake = rep.clock + to_finish * duration + growth * to_finish * (to_finish - 1) / 2
    rep.pending_end = rep.clock + duration


@jit_apart
def _steps_until_due(s: EngineState, row: int, first_s: float, growth_s: float) -> int:
    """How many steps, 1 or more, begin before the patience of another waiting request has ended."""
    rep = s.replicas[row]
    waiting = oldest(s, row)
    if waiting == NO_SLOT or rep.clock > due_s(s, row, waiting):
        return 1 << 60
    return 1 + _steps_within(first_s, growth_s, due_s(s, row, waiting) - rep.clock)


@jit_apart
def _steps_with_blocks(s: EngineState, row: int, free: int) -> int:
    """How many decode steps that many free blocks allow."""
    rep = s.replicas[row]
    rounds = free // rep.decoding
    left = free - rounds * rep.decoding
    n = rounds * rep.block
    while True:
        need = s.phase[row, (-(rep.steps + n)) % rep.block]
        if need > left:
            return n
        left -= need
        n += 1


@jit_apart
def advance(s: EngineState, row: int, until_s: float) -> None:
    """Run a replica: every step that ends by ``until_s`` is complete, and a step that began before it is pending.

    Sets ``wake``, a time before which none of its requests ends.
    """
    rep = s.replicas[row]
    while True:
        if rep.pending_end < INF:
            if rep.pending_end > until_s:
                return
            _complete_step(s, row)
        if rep.running == 0 and rep.waiting == 0:
            rep.wake = INF
            return
        if rep.clock >= until_s:
            rep.wake = rep.clock
            return
        _begin_step(s, row, until_s)


@jit
def enqueue(s: EngineState, row: int, slot: int, now_s: float) -> bool:
    """A request reaches a replica that has been advanced to ``now_s``. False if it can never fit and was refused.

    As vLLM: a prompt that leaves no room for a token is refused, and an output is capped at the model length.
    """
    rep = s.replicas[row]
    req = s.requests[slot]
    req.replica = row
    if req.input >= rep.max_tokens or req.input < 1:
        req.status, req.reason, req.finish = DONE, REASON_REJECTED, now_s
        rep.refused += 1
        s.done[s.done_count[0]] = slot
        s.done_count[0] += 1
        return False
    room = rep.max_tokens - req.input
    if req.output > room:
        req.output = room
        req.capped = 1
    if rep.running == 0 and rep.waiting == 0 and rep.pending_end == INF:
        rep.clock = max(rep.clock, now_s)
    req.status = WAITING
    req.ticket = rep.tickets
    rep.tickets += 1
    req.line = line(s, row, slot)
    req.demand = demand(s, row, slot)
    req.hit = hits(s, row, slot) * rep.block
    rep.prompt_in_flight += req.input
    rep.unprefilled += req.input - req.hit
    append_waiting(s, row, slot)
    # It may end before any that runs: it joins when the step in progress ends.
    rep.wake = rep.clock if rep.pending_end == INF else min(rep.wake, rep.pending_end)
    return True


@jit
def generated_tokens(s: EngineState, slot: int) -> int:
    """Output tokens that a request has so far, as of its replica's clock."""
    req = s.requests[slot]
    if req.status == DECODE:
        return req.generated + s.replicas[req.replica].steps - req.join_step
    return req.generated
