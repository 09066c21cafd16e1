"""A made-up fleet as plain functions of time: seeded, smooth enough to look at, with gaps, moving as time moves."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cache

RHO_MAX = 0.7
STEP_S = 15.0


@dataclass(frozen=True, slots=True)
class FakeService:
    """One service: its mean load, how it swings, its price, its mode."""

    name: str
    mean_erlangs: float
    period_s: float
    phase: float
    usd_per_replica_hour: float
    mode: str


SERVICES = (
    FakeService("chat-70b", 5.0, 5400.0, 0.0, 12.4, "auto"),
    FakeService("code-34b", 3.0, 3600.0, 1.5, 6.2, "auto"),
    FakeService("summarize-8b", 1.6, 7200.0, 3.0, 2.1, "shadow"),
    FakeService("embed-1b", 0.4, 4000.0, 4.0, 0.9, "paused"),
)


def noise(service: FakeService, at_s: float, name: str = "") -> float:
    """Between -1 and 1, the same for the same step."""
    return random.Random(f"{service.name}{name}{int(at_s // STEP_S)}").uniform(-1.0, 1.0)


@cache
def offered(service: FakeService, at_s: float) -> float:
    """Offered load, erlangs."""
    wave = math.sin(2 * math.pi * at_s / service.period_s + service.phase)
    return service.mean_erlangs * (1 + 0.6 * wave + 0.08 * noise(service, at_s))


def desired(service: FakeService, at_s: float) -> int:
    """Enough for the greatest load of the next four minutes."""
    ahead = max(offered(service, at_s + dt) for dt in range(0, 241, 60))
    return max(1, math.ceil(1.1 * ahead / RHO_MAX))


def active(service: FakeService, at_s: float) -> int:
    """Replicas follow one minute later."""
    return desired(service, at_s - 60)


def ttft(service: FakeService, at_s: float) -> float:
    """P50 of TTFT, seconds: grows with utilisation."""
    rho = min(0.97, offered(service, at_s) / active(service, at_s))
    return 0.18 / (1 - rho) * (1 + 0.1 * noise(service, at_s, "ttft"))


def in_gap(service: FakeService, at_s: float) -> bool:
    """Five minutes in every forty are missing, in one service."""
    return service.name == "code-34b" and at_s % 2400 < 300


@cache
def signal(service: FakeService, name: str, at_s: float) -> float | None:
    """The value of any series signal of one service."""
    if in_gap(service, at_s) and not name.startswith("replicas"):
        return None
    load, count = offered(service, at_s), active(service, at_s)
    head, _, rest = name.partition("_")
    if head in ("ttft", "tpot"):
        scale = {"p50": 1.0, "p90": 1.7, "p99": 2.9}[rest.removesuffix("_s")]
        return scale * ttft(service, at_s) * (1.0 if head == "ttft" else 0.045)
    values = {
        "offered_erlangs": load,
        "capacity_erlangs": RHO_MAX * count,
        "ready_erlangs": RHO_MAX * (count + 1),
        "forecast_p50": 1.05 * offered(service, at_s + 120),
        "forecast_p95": 1.25 * offered(service, at_s + 120) + 0.2,
        "forecast_p99": 1.4 * offered(service, at_s + 120) + 0.3,
        "arrivals_per_s": 5 * load,
        "input_tokens_per_s": 6000 * load,
        "output_tokens_per_s": 1500 * load,
        "running": 40 * load,
        "waiting": max(0.0, 60 * (load / (RHO_MAX * count) - 0.95)),
        "kv_usage_ratio": min(1.0, 0.9 * load / count),
        "attainment": min(1.0, 1.01 - 0.1 * max(0.0, load / (RHO_MAX * count) - 0.9)),
        "replicas_active": count,
        "gpus_busy": count,
        "gpus_idle_held": 1,
        "gpus_idle": max(0, 12 - count),
        "risk_of_shortfall": max(0.0, min(1.0, 2 * (load / (RHO_MAX * count) - 0.8))),
        "replicas_desired": desired(service, at_s),
        "replicas_standby": 1,
        "standby_ready": 1,
        "replicas_asleep": 1 if service.mean_erlangs > 2 else 0,
        "replicas_launching": max(0, desired(service, at_s) - count),
        "replicas_draining": max(0, count - desired(service, at_s)),
        "usd_per_hour": service.usd_per_replica_hour * (count + 1),
        "usd_per_million_tokens": service.usd_per_replica_hour * (count + 1) / (3.6 * 4 * load),
    }
    return float(values[name]) if name in values else None
