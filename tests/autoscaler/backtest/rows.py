"""Results by hand, as a run gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autoscaler.backtest.run import Result

TIMELINE = tuple((60.0 * (i + 1), 3 + i % 2, 4) for i in range(10))


def row(policy: str, cost_usd: float, attainment: float | None, **more: Any) -> dict[str, Any]:
    """A row of DESIGN 5's fields; without attainment, of a run without requests."""
    served = attainment is not None
    quantiles = {"p50": 0.04, "p90": 0.3, "p99": 1.25} if served else {"p50": None, "p90": None, "p99": None}
    base = {
        "policy": policy,
        "attainment": attainment,
        "attainment_strict": attainment,
        "ttft_s": quantiles,
        "tpot_s": quantiles,
        "requests": 1000 if served else 0,
        "rejected": 12,
        "lost": 3,
        "gpu_hours": 1234.5,
        "standby_gpu_hours": 0.0,
        "cost_usd": cost_usd,
        "usd_per_million_tokens": 0.31 if served else None,
        "mean_replicas": 3.5,
        "scale_ups": 7,
        "scale_downs": 5,
        "elapsed_s": 600.0,
        "wall_s": 0.1,
    }
    return base | more


def result(
    policy: str,
    cost_usd: float = 100.0,
    attainment: float | None = 0.995,
    timeline: Sequence[tuple[float, int, int]] = TIMELINE,
    **more: Any,
) -> Result:
    """A run's result."""
    return Result(row(policy, cost_usd, attainment, **more), tuple(timeline))
