"""What a run came to, service by service: attainment, latencies, GPU-hours, dollars."""

from __future__ import annotations

from typing import Any

from runtime.simulated.outcomes import percentiles
from runtime.simulated.world import World


def summarise(world: World) -> list[dict[str, Any]]:
    """One row a service, with the field names of the backtest's JSON (DESIGN 5)."""
    elapsed_s = max(world.now_s - world.workload.start_s, 1e-9)
    rows = []
    for service, account, outcome in zip(world.services, world.accounts, world.outcomes, strict=True):
        tokens = outcome.input_tokens + outcome.output_tokens
        rows.append(
            {
                "service": service.name,
                "requests": outcome.requests,
                "rejected": outcome.rejected,
                "lost": outcome.lost,
                "attainment": outcome.attainment(),
                "attainment_strict": outcome.attainment_strict(),
                "ttft_s": percentiles(outcome.ttft),
                "tpot_s": percentiles(outcome.tpot),
                "gpu_hours": account.gpu_s / 3600,
                "standby_gpu_hours": account.spare_gpu_s / 3600,
                "cost_usd": account.cost_usd,
                "usd_per_million_tokens": account.cost_usd / tokens * 1e6 if tokens else None,
                "mean_replicas": account.active_s / elapsed_s,
                "scale_ups": account.scale_ups,
                "scale_downs": account.scale_downs,
                "elapsed_s": elapsed_s,
            }
        )
    return rows


def pools(world: World) -> list[dict[str, Any]]:
    """One row a pool of a service: what it used, what that cost, how many replicas its provider took back."""
    return [
        {
            "service": world.services[lane.service].name,
            "pool": lane.pool.name,
            "gpu_hours": lane.gpu_s / 3600,
            "cost_usd": lane.cost_usd,
            "reclaimed": lane.reclaimed,
        }
        for lane in world.replicas.lanes
    ]


def racks(world: World) -> list[dict[str, Any]]:
    """One row a rack: what was held, what replicas used of it, what was lent out and what that still cost."""
    return [
        {
            "name": name,
            "held_gpu_hours": rack.held_gpu_s / 3600,
            "used_gpu_hours": rack.used_gpu_s / 3600,
            "lent_gpu_hours": rack.lent_gpu_s / 3600,
            "idle_cost_usd": rack.idle_cost_usd,
        }
        for name, rack in world.racks.items()
    ]
