"""The state of simulated engines as flat arrays, so that the kernel can run them at machine speed.

One record per request, one per replica, and per replica a few small tables: how many decoding sequences stand at
each offset within a KV block (``phase``), a heap of finishing steps, the prefills of the step in progress, the groups
whose prefix is cached, and the histograms that ``/metrics`` shows. Nothing here knows HTTP, wall time or policy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runtime.pool import Pool
from runtime.simulated.buckets import BOUNDS

FREE, HELD, WAITING, PREFILL, DECODE, DONE = range(6)
"""Status of a request slot."""

REASON_NONE, REASON_STOP, REASON_LENGTH, REASON_ABORT, REASON_REJECTED, REASON_LOST = range(6)
"""Why a request ended: aborted by its client, refused before it ran, or lost with its engine."""

NO_SLOT = -1

REQUEST = np.dtype(
    [
        ("arrival", "f8"),
        ("first_scheduled", "f8"),
        ("first_token", "f8"),
        ("last_token", "f8"),
        ("finish", "f8"),
        ("join_step", "i8"),
        ("finish_step", "i8"),
        ("ticket", "i4"),
        ("input", "i4"),
        ("output", "i4"),
        ("computed", "i4"),
        ("generated", "i4"),
        ("preemptions", "i4"),
        ("replica", "i4"),
        ("service", "i4"),
        ("demand", "i4"),
        ("session", "i4"),
        ("prefix", "i4"),
        ("prefix_tokens", "i4"),
        ("hit", "i4"),
        ("group", "i4"),
        ("shared", "i4"),
        ("next", "i4"),
        ("prev", "i4"),
        ("status", "i1"),
        ("reason", "i1"),
        ("capped", "i1"),
        ("line", "i1"),
    ],
    align=True,
)
"""``session`` and ``prefix`` are 0 where a request belongs to none; its first ``prefix_tokens`` are those of everybody
with that prefix. ``hit`` tokens of it were cached when it joined the batch, or are as it is sent to wait; while it runs
it holds ``shared`` blocks of the entry ``group``."""

GROUP = np.dtype(
    [
        ("released", "i8"),
        ("key", "i4"),
        ("cached", "i4"),
        ("pinned", "i4"),
        ("users", "i4"),
        ("holders", "i4"),
        ("chain", "i4"),
        ("older", "i4"),
        ("newer", "i4"),
    ],
    align=True,
)
"""A prefix of which an engine has ``cached`` blocks, the first ``pinned`` of them held by running requests: ``users``
hold some, ``holders`` all of these. The step in which blocks were last let go, and links; entry 0 stands for none."""

NO_GROUP = 0

REPLICA = np.dtype(
    [
        ("a", "f8"),
        ("b", "f8"),
        ("k", "f8"),
        ("p", "f8"),
        ("clock", "f8"),
        ("pending_end", "f8"),
        ("wake", "f8"),
        ("busy_s", "f8"),
        ("prefill_s", "f8"),
        ("patience_s", "f8"),
        ("tpot_s", "f8"),
        ("steps", "i8"),
        ("kv_tokens", "i8"),
        ("prompt_in_flight", "i8"),
        ("unprefilled", "i8"),
        ("waiting_tokens", "i8"),
        ("released_tokens", "i8"),
        ("tickets", "i8"),
        ("demand_running", "i8"),
        ("demand_waiting", "i8"),
        ("used_blocks", "i8"),
        ("usable_blocks", "i8"),
        ("evictable_blocks", "i8"),
        ("budget", "i4"),
        ("max_seqs", "i4"),
        ("max_tokens", "i4"),
        ("block", "i4"),
        ("decoding", "i4"),
        ("running", "i4"),
        ("waiting", "i4"),
        ("partial", "i4"),
        ("prefills", "i4"),
        ("scheduler", "i4"),
        ("run_head", "i4"),
        ("run_tail", "i4"),
        ("heap_size", "i4"),
        ("aborting", "i4"),
        ("prefix_caching", "i4"),
        ("oldest_group", "i4"),
        ("newest_group", "i4"),
        ("free_group", "i4"),
        ("groups_made", "i4"),
        ("prompt_tokens", "i8"),
        ("generation_tokens", "i8"),
        ("preemptions", "i8"),
        ("stopped", "i8"),
        ("length_capped", "i8"),
        ("aborted", "i8"),
        ("refused", "i8"),
        ("prefix_queries_tokens", "i8"),
        ("prefix_hits_tokens", "i8"),
        ("prompt_tokens_cached", "i8"),
    ],
    align=True,
)
"""What routers look at, in tokens: ``prompt_in_flight`` the prompts of everything here; ``unprefilled`` what is still
to be prefilled, waiting or partly done; ``waiting_tokens`` the context of what waits, both less what is cached of it;
``released_tokens`` the KV cache that ended requests had to themselves and gave back so far. ``used_blocks`` are held
by somebody; of the others, ``evictable_blocks`` have a prefix in them."""

MAX_BLOCK_TOKENS = 64

LENGTH_EDGES = np.array([1, 2, *(tokens << i for i in range(22) for tokens in (3, 4))])
"""Largest length of each class, tokens: 1, 2, 3, 4, 6, 8, 12, … 8 Mi; where a scheduler tells requests apart."""

LINES = 1 + len(LENGTH_EDGES)
"""Waiting lines of a replica: one for who goes first, one for each class."""


class EngineState(NamedTuple):
    """All arrays of a set of engines.

    Shapes, with R replicas and M request slots and S the most sequences of any replica: ``requests`` (M,), ``replicas``
    (R,), ``phase`` (R, 64), ``heap_step`` and ``heap_slot`` (R, 4S), ``prefill_slot`` and ``prefill_tokens`` (R, S),
    ``line_head`` and ``line_tail`` (R, LINES) the waiting lines, ``lengths`` (R, C + 1, C) outputs counted by class,
    ``groups`` (R, G + 1) cached prefixes and ``chains`` (R, G + 1) the entry at which each hash begins,
    ``hist`` (R, H, B) counts per bucket, ``hist_sum`` (R, H), ``done`` (M,) slots that ended, ``done_count`` (1,).
    """

    requests: npt.NDArray[Any]
    replicas: npt.NDArray[Any]
    phase: npt.NDArray[np.int64]
    heap_step: npt.NDArray[np.int64]
    heap_slot: npt.NDArray[np.int32]
    prefill_slot: npt.NDArray[np.int32]
    prefill_tokens: npt.NDArray[np.int32]
    line_head: npt.NDArray[np.int32]
    line_tail: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    groups: npt.NDArray[Any]
    chains: npt.NDArray[np.int32]
    hist: npt.NDArray[np.int64]
    hist_sum: npt.NDArray[np.float64]
    bounds: npt.NDArray[np.float64]
    done: npt.NDArray[np.int32]
    done_count: npt.NDArray[np.int64]


def new_state(replicas: int, slots: int, max_seqs: int, groups: int = 0) -> EngineState:
    """Empty state for that many replicas, request slots, and sequences and cached prefixes per replica.

    No engine has more prefixes in its cache than blocks; where there is no room for one, it is not cached.
    """
    hists, buckets = BOUNDS.shape
    return EngineState(
        requests=np.zeros(slots, REQUEST),
        replicas=np.zeros(replicas, REPLICA),
        phase=np.zeros((replicas, MAX_BLOCK_TOKENS), np.int64),
        heap_step=np.zeros((replicas, 4 * max_seqs), np.int64),
        heap_slot=np.zeros((replicas, 4 * max_seqs), np.int32),
        prefill_slot=np.zeros((replicas, max_seqs), np.int32),
        prefill_tokens=np.zeros((replicas, max_seqs), np.int32),
        line_head=np.full((replicas, LINES), NO_SLOT, np.int32),
        line_tail=np.full((replicas, LINES), NO_SLOT, np.int32),
        lengths=np.zeros((replicas, LINES, len(LENGTH_EDGES)), np.int32),
        groups=np.zeros((replicas, groups + 1), GROUP),
        chains=np.zeros((replicas, groups + 1), np.int32),
        hist=np.zeros((replicas, hists, buckets), np.int64),
        hist_sum=np.zeros((replicas, hists)),
        bounds=BOUNDS,
        done=np.zeros(slots, np.int32),
        done_count=np.zeros(1, np.int64),
    )


def check(pool: Pool) -> None:
    """Raises ValueError for a pool that vLLM itself would refuse to start."""
    if pool.max_num_seqs > pool.max_batched_tokens:
        raise ValueError(
            f"pool {pool.name}: max_num_seqs {pool.max_num_seqs} exceeds max_batched_tokens {pool.max_batched_tokens}"
        )
    if not 1 <= pool.block_tokens <= MAX_BLOCK_TOKENS or pool.kv_blocks < 2:
        raise ValueError(f"pool {pool.name}: needs 2 KV blocks or more of 1 to {MAX_BLOCK_TOKENS} tokens")


def install(state: EngineState, row: int, pool: Pool, now_s: float) -> None:
    """Put a fresh engine of ``pool`` into a row: empty KV cache, counters at zero. Raises as ``check`` does.

    The state must be wide enough for the pool's ``max_num_seqs``, or ValueError tells by how much it is not.
    """
    check(pool)
    if pool.max_num_seqs > state.prefill_slot.shape[1]:
        raise ValueError(f"max_num_seqs {pool.max_num_seqs} exceeds the state's {state.prefill_slot.shape[1]}")
    record = np.zeros((), REPLICA)
    record["a"], record["b"] = pool.step.a_ms / 1e3, pool.step.b_ms_per_seq / 1e3
    record["k"] = pool.step.k_ms_per_1k_kv_tokens / 1e6
    record["p"] = pool.step.p_ms_per_1k_prefill_tokens / 1e6
    record["clock"], record["pending_end"], record["wake"] = now_s, np.inf, np.inf
    # vLLM keeps one null block, so one fewer is usable (reference: usage = 1 - free / (blocks - 1)).
    record["usable_blocks"] = pool.kv_blocks - 1
    record["budget"], record["max_seqs"], record["block"] = (
        pool.max_batched_tokens,
        pool.max_num_seqs,
        pool.block_tokens,
    )
    record["prefix_caching"] = pool.prefix_caching
    record["max_tokens"] = min(pool.max_model_tokens, (pool.kv_blocks - 1) * pool.block_tokens)
    for link in ("partial", "run_head", "run_tail"):
        record[link] = NO_SLOT
    forget_prefixes(state, row)
    state.replicas[row] = record
    state.phase[row] = 0
    state.line_head[row] = state.line_tail[row] = NO_SLOT
    state.lengths[row] = 0
    state.hist[row] = 0
    state.hist_sum[row] = 0.0


def forget_prefixes(state: EngineState, row: int) -> None:
    """Empty the prefix cache of an engine in which nothing runs: it sleeps, or is another one."""
    engine = state.replicas[row]
    if engine["groups_made"]:
        state.groups[row] = 0
        state.chains[row] = NO_GROUP
        for name in ("evictable_blocks", "oldest_group", "newest_group", "free_group", "groups_made"):
            engine[name] = 0
