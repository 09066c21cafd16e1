"""Compile the kernel before anyone waits for it: ``python -m runtime.simulated.warm``.

Numba caches what it compiles beside the source, so one call after an install makes every later start quick.
"""

from __future__ import annotations

from runtime.fleet import PoolTarget
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Tier
from runtime.simulated.kernel import generated_tokens
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.workload import SyntheticWorkload, default_services
from runtime.simulated.world import World


def warm() -> None:
    """Run a small world through everything the kernel offers."""
    load = default_services()[0]
    step = StepTime(a_ms=16.55, b_ms_per_seq=0.041, k_ms_per_1k_kv_tokens=0.0581, p_ms_per_1k_prefill_tokens=68.7)
    pool = Pool("warm", load.name, "vllm", "H100-SXM", 2, 1.0, step, 2000, lead_times={Tier.COLD: LeadTime(1, 2)})
    service = SimulatedService(load.name, pool, LatencyTarget(2.0, 0.0, 0.05), 1, 4)
    world = World([service], SyntheticWorkload([load], 0.0, 1))
    generated_tokens(world.state, world.submit(load.name, 100, 10))
    world.set_targets([PoolTarget(load.name, pool.name, 2)])
    world.run_until(10.0)


if __name__ == "__main__":
    warm()
