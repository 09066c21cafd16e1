"""A trace on a fixed fleet, as fast as it can: no HTTP, no scaling, every request's figures kept.

All requests stand in one array in the order of the trace, and that array is the result. A day of four million
requests needs half a gigabyte; where memory must not grow with the trace, ``world`` recycles its slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.pool import Pool
from runtime.simulated.dispatch import advance_all, dispatch
from runtime.simulated.outcomes import LatencyTarget, Outcomes, percentiles
from runtime.simulated.routers import router
from runtime.simulated.schedulers import SCHEDULERS, Scheduling, schedule_by
from runtime.simulated.state import NO_SLOT, REASON_REJECTED, EngineState, install, new_state
from runtime.traces import Trace

BATCH = 1 << 15
"""Requests between two looks at the outside: a tenth of a second or so."""

FOREVER_S = 1e15

Records = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class FixedFleet:
    """Replicas that are all there from the first moment to the last, one pool each; ``seed`` fixes every draw.

    Some schedulers derive their rules from ``target``, which is also what attainment is measured against.
    """

    pools: tuple[Pool, ...]
    target: LatencyTarget
    router: str = "least-requests"
    scheduler: str = SCHEDULERS[0]
    seed: int = 0

    @property
    def scheduling(self) -> Scheduling:
        """What every engine schedules by; its targets are those of the fleet."""
        return Scheduling(self.scheduler, self.target.ttft_s, self.target.tpot_s)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What came of it: ``requests`` (n,) REQUEST records in the trace's order, ``replicas`` (r,) REPLICA records."""

    fleet: FixedFleet
    requests: Records
    replicas: Records

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first arrival to the last token."""
        return float(self.requests["finish"].max())

    def chunks(self) -> Iterator[Records]:
        """The requests in pieces that leave memory alone."""
        for start in range(0, len(self.requests), BATCH):
            yield self.requests[start : start + BATCH]


def run(
    trace: Trace,
    fleet: FixedFleet,
    progress: Callable[[int], None] = lambda done: None,
    sessions: npt.NDArray[np.int32] | None = None,
    prefixes: npt.NDArray[np.int32] | None = None,
    prefix_tokens: npt.NDArray[np.int32] | None = None,
) -> Run:
    """Serve the whole trace; ``progress`` hears how many requests were sent so far.

    ``sessions`` and ``prefixes`` (n,) are keys from 1 on, 0 for none; ``prefix_tokens`` (n,) how many tokens a request
    begins with that are those of its prefix, and without them nothing is cached. Raises ValueError for an unknown
    router or scheduler, for affinity without keys, and for a pool that no engine starts with.
    """
    chosen = router(fleet.router)
    state = fresh_state(trace, fleet)
    for name, keys in (("session", sessions), ("prefix", prefixes)):
        if keys is not None:
            state.requests[name] = keys
        elif fleet.router == f"{name}-affinity":
            raise ValueError(f"router {fleet.router} needs a {name} for each request, and the trace has none")
    if prefix_tokens is not None:
        state.requests["prefix_tokens"] = prefix_tokens
    everybody = np.arange(len(fleet.pools))
    counts, turn = np.array([len(everybody)]), np.array([fleet.seed << 32])
    for start in range(0, trace.requests, BATCH):
        slots = np.arange(start, min(start + BATCH, trace.requests))
        dispatch(state, slots, everybody[None, :], counts, turn, chosen)
        progress(int(slots[-1]) + 1)
    advance_all(state, everybody, FOREVER_S)
    return Run(fleet, state.requests, state.replicas)


def fresh_state(trace: Trace, fleet: FixedFleet) -> EngineState:
    """Idle engines, and the requests of the trace that nobody has sent yet."""
    seqs, blocks = max(pool.max_num_seqs for pool in fleet.pools), max(pool.kv_blocks for pool in fleet.pools)
    state = new_state(len(fleet.pools), trace.requests, seqs, blocks)
    for row, pool in enumerate(fleet.pools):
        install(state, row, pool, 0.0)
        schedule_by(state, row, fleet.scheduling)
    requests = state.requests
    requests["arrival"], requests["first_scheduled"] = trace.arrival_s, -1.0
    requests["input"], requests["output"] = trace.input_tokens, trace.output_tokens
    requests["replica"] = requests["next"] = requests["prev"] = NO_SLOT
    return state


def figures(requests: Records) -> dict[str, Records]:
    """Columns of a table of requests, (n,) each: what was asked, when it was answered, what happened to it.

    Seconds and tokens. A refused request has NaN for every latency, one with a single output token for ``tpot_s``.
    """
    served = requests["reason"] != REASON_REJECTED
    decode_s = requests["finish"] - requests["first_token"]
    several = served & (requests["output"] > 1)
    return {
        "arrival_s": requests["arrival"],
        "input_tokens": requests["input"],
        "output_tokens": requests["output"],
        "replica": requests["replica"],
        "rejected": ~served,
        "queue_s": np.where(served, requests["first_scheduled"] - requests["arrival"], np.nan),
        "ttft_s": np.where(served, requests["first_token"] - requests["arrival"], np.nan),
        "tpot_s": np.where(several, decode_s / np.maximum(requests["output"] - 1, 1), np.nan),
        "e2e_s": np.where(served, requests["finish"] - requests["arrival"], np.nan),
        "preemptions": requests["preemptions"],
    }


def row(done: Run) -> dict[str, Any]:
    """The run in one row, with the field names of the backtest's JSON (DESIGN 5) where they apply.

    ``busy`` is the share of time in which engines computed; ``load`` the erlangs of work served per replica: what is
    left between them is the fixed time of iterations, which larger batches share. Costs are None where a pool has no
    price.
    """
    outcomes, queue_s, ttft_s = Outcomes(done.fleet.target), 0.0, 0.0
    for chunk in done.chunks():
        served = chunk[chunk["reason"] != REASON_REJECTED]
        outcomes.reject(len(chunk) - len(served))
        outcomes.add(served)
        queue_s += float((served["first_scheduled"] - served["arrival"]).sum())
        ttft_s += float((served["first_token"] - served["arrival"]).sum())
    count = max(1, outcomes.requests - outcomes.rejected)
    tokens = outcomes.input_tokens + outcomes.output_tokens
    hours = done.elapsed_s / 3600
    hourly_usd = [pool.replica_usd_per_hour for pool in done.fleet.pools]
    cost_usd = hours * sum(hourly_usd) if all(hourly_usd) else None
    return {
        "policy": f"static-{len(done.fleet.pools)}",
        "router": done.fleet.router,
        "scheduler": done.fleet.scheduler,
        "attainment": outcomes.attainment(),
        "attainment_strict": outcomes.attainment_strict(),
        "ttft_s": {"mean": ttft_s / count, **percentiles(outcomes.ttft)},
        "tpot_s": percentiles(outcomes.tpot),
        "queue_s": {"mean": queue_s / count},
        "requests": outcomes.requests,
        "rejected": outcomes.rejected,
        "preemptions": int(done.replicas["preemptions"].sum()),
        "input_tokens": outcomes.input_tokens,
        "output_tokens": outcomes.output_tokens,
        "prefix_hit_rate": prefix_hit_rate(done.replicas),
        "output_tokens_per_s": outcomes.output_tokens / max(done.elapsed_s, 1e-9),
        "busy": float(done.replicas["busy_s"].mean()) / max(done.elapsed_s, 1e-9),
        "load": work_s(done) / len(done.replicas) / max(done.elapsed_s, 1e-9),
        "gpu_hours": hours * sum(pool.gpus_per_replica for pool in done.fleet.pools),
        "standby_gpu_hours": 0.0,
        "cost_usd": cost_usd,
        "usd_per_million_tokens": cost_usd / tokens * 1e6 if tokens and cost_usd is not None else None,
        "mean_replicas": float(len(done.fleet.pools)),
        "scale_ups": 0,
        "scale_downs": 0,
        "elapsed_s": done.elapsed_s,
    }


def prefix_hit_rate(replicas: Records) -> float | None:
    """Share of the prompt tokens that were looked up in the prefix caches and found there; None if none were."""
    looked_up = int(replicas["prefix_queries_tokens"].sum())
    return int(replicas["prefix_hits_tokens"].sum()) / looked_up if looked_up else None


def work_s(done: Run) -> float:
    """Work of everything that was served, less what was cached, seconds (DESIGN 4)."""
    replicas, total = done.replicas, 0.0
    for chunk in done.chunks():
        served = chunk[chunk["reason"] != REASON_REJECTED]
        at = replicas[served["replica"]]
        decode_s = served["output"] * (at["b"] + at["k"] * (served["input"] + served["output"] / 2))
        total += float((at["p"] * (served["input"] - served["hit"]) + decode_s).sum())
    return total
