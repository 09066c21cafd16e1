"""What a scrape of a simulated fleet would have read, taken straight from its engines: for runs without HTTP.

A test holds it equal to what the collectors read off the pages.
"""

from __future__ import annotations

import numpy as np

from collectors.observation import Gap, GatewaySample, GpuSample, Histogram, ReplicaSample, Scrape
from runtime.simulated import buckets
from runtime.simulated.replicas import SimulatedReplica
from runtime.simulated.state import EngineState
from runtime.simulated.world import World

_READ = {
    "ttft": buckets.TTFT,
    "itl": buckets.ITL,
    "tpot": buckets.TPOT,
    "output_lengths": buckets.GENERATION,
}
_EDGES = {row: (*map(float, buckets.HISTOGRAMS[row][1]), float("inf")) for row in _READ.values()}


def scrape(world: World) -> Scrape:
    """Every engine that answers, the gateway, and the health of GPUs at the world's time. Gaps while it is dark."""
    at_s = world.now_s
    if at_s < world.dark_until_s:
        unseen = [r.name for r in world.replicas.by_name.values() if r.has_process]
        return Scrape(at_s, {}, gaps=tuple(Gap(name, "metrics cannot be read") for name in ("gateway", *unseen)))
    replicas = {r.name: sample(world.state, r, at_s) for r in world.replicas.by_name.values() if r.has_process}
    gateway = {
        service.name: GatewaySample(
            service.name,
            at_s,
            float(len(world.held[i])),
            float(out.rejected),
            float(world.arrived[i]),
            float(out.requests),
            float(out.attained),
        )
        for i, (service, out) in enumerate(zip(world.services, world.outcomes, strict=True))
    }
    return Scrape(at_s, replicas, gpus(world), gateway)


def gpus(world: World) -> tuple[GpuSample, ...]:
    """The health of the GPUs that replicas hold; what they do is the telemetry's."""
    held = (gpu for stock in world.replicas.inventories for gpu in stock.gpus if gpu.replica is not None)
    return tuple(
        GpuSample(
            gpu.uuid,
            gpu.node,
            world.now_s,
            temperature_celsius=gpu.temperature_celsius,
            xid=gpu.xid,
            ecc_double_bit=float(gpu.ecc_double_bit),
        )
        for gpu in held
    )


def sample(state: EngineState, replica: SimulatedReplica, at_s: float) -> ReplicaSample:
    """One engine's page as the collectors' canonical sample."""
    row = replica.row
    engine = state.replicas[row]
    return ReplicaSample(
        replica=replica.name,
        at_s=at_s,
        running=float(engine["running"]),
        waiting=float(engine["waiting"]),
        kv_usage_ratio=float(engine["used_blocks"] / engine["usable_blocks"]),
        kv_capacity_tokens=float((engine["usable_blocks"] + 1) * engine["block"]),
        sleeping=replica.asleep,
        input_tokens=float(engine["prompt_tokens"]),
        cached_tokens=float(engine["prompt_tokens_cached"]),
        output_tokens=float(engine["generation_tokens"]),
        completed=float(engine["stopped"] + engine["length_capped"]),
        aborted=float(engine["aborted"]),
        preemptions=float(engine["preemptions"]),
        rejected=0.0,
        iterations=float(state.hist[row, buckets.ITERATION].sum()),
        **{name: histogram(state, row, which) for name, which in _READ.items()},
    )


def histogram(state: EngineState, row: int, which: int) -> Histogram:
    """One of an engine's histograms, cumulative."""
    edges = _EDGES[which]
    counts = np.cumsum(state.hist[row, which, : len(edges)])
    return Histogram(edges, tuple(counts.astype(float).tolist()), float(state.hist_sum[row, which]))
