"""Small simulated fleets for tests: round numbers, so that what must come out can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from runtime.fleet import PoolTarget
from runtime.pool import LeadTime, Pool, StepTime
from runtime.rack import Rack
from runtime.replica import Tier
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedReplica, SimulatedService
from runtime.simulated.workload import Arrivals, TraceWorkload
from runtime.simulated.world import World
from runtime.traces import Trace

START_S = 1_000_000.0
"""Binary fractions of a second are exact here, and lead times too."""

STEP_S = 0.0625

POOL = Pool(
    name="pool",
    service="chat",
    engine="vllm",
    gpu="H100-SXM",
    gpus_per_replica=2,
    price_usd_per_gpu_hour=3.0,
    step=StepTime(a_ms=62.5, b_ms_per_seq=0.0, k_ms_per_1k_kv_tokens=0.0, p_ms_per_1k_prefill_tokens=0.0),
    kv_blocks=1001,
    lead_times={
        Tier.STANDBY: LeadTime(0.5, 0.5),
        Tier.ASLEEP: LeadTime(4.0, 4.0),
        Tier.WARM_NODE: LeadTime(30.0, 30.0),
        Tier.COLD: LeadTime(100.0, 100.0),
    },
    holding_share={Tier.STANDBY: 0.5, Tier.ASLEEP: 0.25, Tier.WARM_NODE: 0.1},
)
"""Every step takes 62.5 ms whatever is in it; every start takes exactly its lead time."""

SLO = LatencyTarget(ttft_s=2.0, ttft_s_per_1k_tokens=0.0, tpot_s=0.1)


def service(
    name: str = "chat", active: int = 1, room: int = 8, hold_s: float = 60.0, rack: str | None = None, **pool: object
) -> SimulatedService:
    """A service with a pool of its own, or in a rack."""
    changed = replace(POOL, name=f"{name}-pool", service=name, **pool)  # type: ignore[arg-type]
    return SimulatedService(name, changed, SLO, active, room, hold_s, rack)


def mixed(active: int = 1, room: int = 8, rack: str | None = None, **second: object) -> SimulatedService:
    """Chat on two pools: the test pool's ``fast``, and ``slow``, half as fast on one GPU at half its price."""
    first = replace(POOL, name="fast", step=replace(POOL.step, b_ms_per_seq=1.0))
    slow = replace(POOL, name="slow", gpu="L4", gpus_per_replica=1, price_usd_per_gpu_hour=1.5, kv_blocks=501)
    slow = replace(slow, step=replace(POOL.step, a_ms=125.0, b_ms_per_seq=2.0))
    slow = replace(slow, **second)  # type: ignore[arg-type]
    return SimulatedService("chat", first, SLO, active, room, 60.0, rack, (slow,))


class Nobody:
    """A workload without requests and without end."""

    start_s = START_S
    end_s: float | None = None
    services: tuple[str, ...] = ()

    def arrivals(self, from_s: float, until_s: float) -> Arrivals:
        none = np.empty(0, np.int32)
        return Arrivals(np.empty(0), none, none, none)

    def past(self, hours: float) -> dict[str, list[tuple[float, float, float, float]]]:
        return {}


def trace(every_s: float, count: int, input_tokens: int = 64, output_tokens: int = 32) -> TraceWorkload:
    """``count`` equal requests for chat, ``every_s`` apart, the first at the start."""
    arrival_s = np.array([i * every_s for i in range(count)])
    tokens = np.full(count, input_tokens, np.int32), np.full(count, output_tokens, np.int32)
    return TraceWorkload(Trace("test", arrival_s, *tokens), "chat", START_S)


def talk(turns: int, every_s: float = 10.0) -> TraceWorkload:
    """One conversation with chat: every turn brings 160 tokens more, and shares all of its prompt with the next."""
    tokens = 160 * np.arange(1, turns + 1, dtype=np.int32)
    arrival_s, key, answer = every_s * np.arange(turns), np.ones(turns, np.int32), np.full(turns, 16, np.int32)
    made = Trace("talk", arrival_s, tokens, answer, prefix=key, prefix_tokens=tokens)
    return TraceWorkload(made, "chat", START_S)


def rack(gpus: int = 4, most: int = 16, **changed: object) -> Rack:
    """A rack of the test pool's GPUs, in which one more takes 50 s and idle ones cost a quarter."""
    made = Rack("rack", POOL.gpu, POOL.price_usd_per_gpu_hour, gpus, most, LeadTime(50.0, 50.0), 0.25)
    return replace(made, **changed)  # type: ignore[arg-type]


def world(
    *services: SimulatedService,
    workload: TraceWorkload | Nobody | None = None,
    racks: Sequence[Rack] = (),
    router: str = "least-requests",
    **options: float,
) -> World:
    """A world of these services, of one chat service if none is given, at ``START_S``."""
    seed, failure = int(options.get("seed", 0)), options.get("launch_failure", 0.0)
    return World(services or (service(),), workload or Nobody(), seed, failure, racks, router)


def run(world: World, seconds: float) -> World:
    """Let so many seconds pass."""
    world.run_until(world.now_s + seconds)
    return world


def finish(world: World) -> World:
    """Run until everything is served; a world that never finishes fails."""
    for _ in range(1000):
        if world.finished:
            return world
        run(world, 10.0)
    raise AssertionError(f"{world.slots.in_use} requests never end")


def target(
    world: World, active: int, standby: int = 0, asleep: int = 0, warm_node: int = 0, service: int = 0, pool: int = 0
) -> World:
    """Set the target of one pool of one service."""
    of = world.services[service]
    world.set_targets([PoolTarget(of.name, of.pools[pool].name, active, standby, asleep, warm_node)])
    return world


def replicas(world: World, tier: Tier | None = None, settled: bool = True) -> list[SimulatedReplica]:
    """Replicas in a tier, or all; only those that are in no transition unless told otherwise."""
    return [
        r for r in world.replicas.by_name.values() if tier in (None, r.tier) and (r.transition is None or not settled)
    ]


def tiers(world: World) -> dict[str, int]:
    """How many replicas are settled in each tier, tiers without any left out."""
    counts = {tier.value: len(replicas(world, tier)) for tier in Tier}
    return {tier: count for tier, count in counts.items() if count}


def in_engines(world: World) -> int:
    """Requests that engines hold, running and waiting."""
    return sum(world.replicas.load(r) for r in replicas(world, settled=False))


def submit_all(world: World, sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Send requests for chat of these (input, output) tokens, now; gives their slots."""
    return [world.submit("chat", *size) for size in sizes]
