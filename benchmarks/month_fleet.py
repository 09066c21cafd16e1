"""A month of a fleet, made up by the minute from a seed: loads with days, weekends, growth and bursts, and replicas.

It fills a store so that pages, queries and reports can be looked at and timed at size. Replicas follow the highest
load of the last quarter of an hour, one lead time late: a stand-in for a controller, and no claim about ours. What is
metered is whole replicas for whole minutes, so that the cost of the month can be worked out again by other means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from autoscaler.capacity import rho_max
from autoscaler.policy import Policy
from runtime.pool import Pool

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAY = 1440
LEAD = 2
"""Minutes from a launch to serving."""
HOLD = 15
"""Minutes for which the highest load is held."""

AWS = {"provider": "AWS", "region": "us-east-1"}
KINDS: dict[str, dict[str, Any]] = {
    "h100x2": {
        "gpu": "H100",
        "gpus_per_replica": 2,
        "price_usd_per_gpu_hour": 3.9,
        "step": {
            "a_ms": 16.55,
            "b_ms_per_seq": 0.041,
            "k_ms_per_1k_kv_tokens": 0.0581,
            "p_ms_per_1k_prefill_tokens": 68.7,
        },
        "kv_blocks": 14000,
        "max_num_seqs": 1024,
        "placed": AWS | {"sku": "p5.48xlarge"},
    },
    "l4": {
        "gpu": "L4",
        "gpus_per_replica": 1,
        "price_usd_per_gpu_hour": 0.8,
        "step": {"a_ms": 30.0, "b_ms_per_seq": 0.1, "k_ms_per_1k_kv_tokens": 0.45, "p_ms_per_1k_prefill_tokens": 130.0},
        "kv_blocks": 3000,
        "max_num_seqs": 256,
        "placed": None,
    },
    "l40s": {
        "gpu": "L40S",
        "gpus_per_replica": 1,
        "price_usd_per_gpu_hour": 1.86,
        "step": {"a_ms": 22.0, "b_ms_per_seq": 0.07, "k_ms_per_1k_kv_tokens": 0.2, "p_ms_per_1k_prefill_tokens": 95.0},
        "kv_blocks": 8000,
        "max_num_seqs": 512,
        "placed": AWS | {"sku": "g6e.12xlarge"},
    },
}
WORDS = ("chat", "code", "search", "mail", "agent", "docs", "support", "translate", "summary", "voice")
COMMITTED_GPUS = 40


@dataclass(frozen=True, slots=True)
class Traffic:
    """What comes to a service: erlangs at its mean, how they swing, and mean tokens of a request."""

    base: float
    swing: float
    phase_h: float
    weekend: float
    growth_per_day: float
    input_tokens: float
    cached_share: float
    output_tokens: float
    standby: int
    powered: bool
    routed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """A service by the minute, each (n,): offered erlangs (NaN where nobody saw them), replicas, and ρ_max of one."""

    erlangs: Floats
    seen: Floats
    active: Ints
    standby: Ints
    moving: Ints
    rho: float
    requests_per_s: Floats


def settings_of(count: int, seed: int) -> dict[str, Any]:
    """A fleet file for so many services, with prices that change within the month, a commitment and budgets."""
    random = np.random.default_rng(seed)
    kinds = [str(kind) for kind in random.choice([*KINDS], count, p=[0.4, 0.35, 0.25])]
    kinds[0] = "h100x2"
    services = [_service(index, kind) for index, kind in enumerate(kinds)]
    placed = {
        one["pools"][0]["name"]: KINDS[kind]["placed"]
        for one, kind in zip(services, kinds, strict=True)
        if KINDS[kind]["placed"]
    }
    return {
        "services": services,
        "market": {"gpus": {"H100": {"nodes": 40, "gpus_per_node": 8}}},
        "cost": {
            "pools": placed,
            "prices": _prices(),
            "commitments": [
                AWS
                | {"sku": "p5.48xlarge", "name": "h100-year", "gpus": COMMITTED_GPUS, "usd_per_gpu_hour": 2.4}
                | {"start": "2026-01-01", "end": "2027-01-01"}
            ],
            "platform_usd_per_hour": 1.25,
            "carbon": {"grams_co2_per_kwh": {"us-east-1": 380.0, "default": 400.0}, "pue": 1.15},
            "budgets": [{"name": "fleet", "usd_per_month": 400_000}, _budget(services[0]["name"])],
        },
    }


def _budget(service: str) -> dict[str, Any]:
    return {"name": f"{service} alone", "service": service, "usd_per_month": 40_000}


def _prices() -> list[dict[str, Any]]:
    rows = (
        ("p5.48xlarge", "H100", 3.9, "2026-09-01"),
        ("p5.48xlarge", "H100", 3.6, "2026-10-15"),
        ("g6e.12xlarge", "L40S", 1.86, "2026-09-01"),
    )
    return [
        AWS | {"sku": sku, "gpu": gpu, "usd_per_gpu_hour": usd, "since": since, "source": "made up for the month"}
        for sku, gpu, usd, since in rows
    ]


def _service(index: int, kind: str) -> dict[str, Any]:
    name = f"{WORDS[index % len(WORDS)]}-{index:02d}"
    pool = {key: value for key, value in KINDS[kind].items() if key != "placed"}
    pool |= {
        "name": f"{name}-{kind}",
        "lead_times": {"standby": {"p50_s": 1, "p90_s": 2}, "cold": {"p50_s": 90, "p90_s": 140}},
    }
    return {"name": name, "policy": {"mode": "auto", "replicas": {"min": 1, "max": 200}}, "pools": [pool]}


def traffic_of(count: int, seed: int) -> list[Traffic]:
    """What comes to each service of the fleet."""
    random = np.random.default_rng(seed + 1)
    return [
        Traffic(
            base=float(random.lognormal(0.9, 0.7)),
            swing=float(random.uniform(0.3, 0.75)),
            phase_h=float(random.normal(8.0, 3.0)),
            weekend=float(random.uniform(0.5, 1.0)),
            growth_per_day=float(random.normal(0.004, 0.004)),
            input_tokens=float(random.lognormal(6.9, 0.5)),
            cached_share=float(random.uniform(0.0, 0.6)),
            output_tokens=float(random.lognormal(5.3, 0.4)),
            standby=int(random.integers(0, 3)),
            powered=index % 7 != 5,
            routed=index % 5 != 4,
        )
        for index in range(count)
    ]


def played(traffic: Traffic, pool: Pool, policy: Policy, days: int, seed: int) -> Minutes:
    """The month of one service."""
    random = np.random.default_rng(seed)
    erlangs = _load(traffic, days * DAY, random)
    fresh = traffic.input_tokens * (1 - traffic.cached_share)
    rho = rho_max(pool, policy.slo, fresh, traffic.output_tokens).value
    need = np.ceil(1.08 * erlangs / rho).astype(np.int64)
    held = maximum_filter1d(need, HOLD, origin=(HOLD - 1) // 2)
    active = np.maximum(1, np.concatenate([np.repeat(held[:1], LEAD), held[:-LEAD]]))
    grown = np.maximum(0, np.diff(active, append=active[-1]))
    ahead = np.concatenate([grown, np.zeros(LEAD, np.int64)])
    moving = sum((ahead[j : j + len(active)] for j in range(LEAD)), np.zeros(len(active), np.int64))
    moving += np.maximum(0, -np.diff(active, prepend=active[0]))
    seen = erlangs.copy()
    lost = int(random.integers(0, days)) * DAY + int(random.integers(0, DAY - 200))
    seen[lost : lost + int(random.integers(0, 150))] = np.nan
    requests = erlangs * 1000 / pool.step.work_ms(fresh, traffic.output_tokens)
    return Minutes(erlangs, seen, active, np.full(len(active), traffic.standby), moving, rho, requests)


def _load(traffic: Traffic, minutes: int, random: np.random.Generator) -> Floats:
    at = np.arange(minutes)
    hours = at / 60
    daily = 1 + traffic.swing * np.sin((hours - traffic.phase_h) / 24 * 2 * np.pi)
    week = np.where((at // DAY + 3) % 7 >= 5, traffic.weekend, 1.0)
    noise = np.exp(_wander(minutes, 0.97, 0.08, random))
    bursts = np.ones(minutes)
    for start in np.flatnonzero(random.random(minutes) < 0.25 / DAY):
        bursts[start : start + int(random.integers(15, 60))] *= random.uniform(1.4, 2.4)
    growth = np.exp(traffic.growth_per_day * at / DAY)
    return np.asarray(traffic.base * daily * week * growth * noise * bursts, dtype=np.float64)


def _wander(count: int, keep: float, spread: float, random: np.random.Generator) -> Floats:
    """A random walk that is drawn back: each value keeps so much of the one before, with that spread in the end."""
    from scipy.signal import lfilter

    steps = random.standard_normal(count) * spread * np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], steps), dtype=np.float64)
