"""A plan as one JSON document: everything that the tables show, and what they round or leave out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autoscaler.planning.candidates import Refusal
from autoscaler.planning.carry import Carried
from autoscaler.planning.confirm import Confirmed
from autoscaler.planning.growth import BANDS, Year
from autoscaler.planning.plan import Plan
from autoscaler.planning.prices import Offer
from autoscaler.planning.sizes import Size
from autoscaler.planning.traffic import Traffic


def document(plan: Plan, top: int, confirmed: dict[str, Confirmed] | None = None) -> dict[str, Any]:
    """The plan with its first ``top`` pools; ``confirmed`` by the pool's name."""
    played = confirmed or {}
    asked = plan.asked
    return {
        "model": plan.model,
        "slo": asked.slo.model_dump(mode="json"),
        "headroom": asked.headroom,
        "cached_share": asked.cached,
        "routing": asked.routing.value,
        "traffic": traffic_document(plan.traffic),
        "considered": len(plan.ranked) + len(plan.refused),
        "feasible": len(plan.ranked),
        "pools": [pool_document(one, played.get(one.candidate.pool.name)) for one in plan.ranked[:top]],
        "infeasible": [refusal_document(one) for one in plan.refused],
        "replica_sizes": {
            "gpus": plan.scope.sizing_gpus,
            "rows": [size_document(one, plan.traffic) for one in plan.sizes],
        },
        "days": [asdict(day) for day in plan.days],
        "year": None if plan.year is None else year_document(plan.year),
    }


def traffic_document(traffic: Traffic) -> dict[str, Any]:
    """What was carried, in means."""
    return {
        "name": traffic.name,
        "steps": len(traffic.requests),
        "step_s": traffic.step_s,
        "mean_requests_per_s": traffic.mean_rps,
        "peak_requests_per_s": traffic.peak_rps,
        "mean_input_tokens": traffic.mean_input_tokens,
        "mean_output_tokens": traffic.mean_output_tokens,
        "notes": list(traffic.notes),
    }


def pool_document(one: Carried, confirmed: Confirmed | None = None) -> dict[str, Any]:
    """One ranked pool."""
    way, rests = one.candidate.way, one.candidate.basis
    return {
        "name": one.candidate.pool.name,
        "engine": one.candidate.pool.engine,
        "gpu": way.gpu,
        "precision": way.precision,
        "split": asdict(way.split),
        "gpus_per_replica": way.split.gpus,
        "replicas": {"mean": one.mean_replicas, "peak": one.peak_replicas},
        "usd_per_million_tokens": one.usd_per_million,
        "usd_per_million_tokens_low": one.usd_low,
        "usd_per_million_tokens_high": one.usd_high,
        "usd_per_million_tokens_mixed": one.usd_per_million_mixed,
        "usd_per_hour": one.usd_per_hour,
        "rho_max": one.rho.value,
        "binding": one.rho.binding,
        "limits": dict(one.rho.limits),
        "requests_per_s_per_replica": one.rps,
        "tpot_s": {"idle": one.idle_tpot_s, "at_limit": one.full_tpot_s},
        "ttft_s": {"idle": one.idle_ttft_s, "at_limit": one.full_ttft_s},
        "memory_gib_per_gpu": memory_document(one),
        "step": asdict(one.candidate.pool.step),
        "measured": rests.measured,
        "error": rests.error,
        "error_at_least": rests.at_least,
        "basis": rests.words,
        "price": price_document(one.candidate.offer),
        "mix": asdict(one.mix) | {"usd_per_hour": one.mix.usd_per_hour, "saving": one.mix.saving},
        "simulated": None if confirmed is None else confirmed_document(confirmed, one.usd_per_million),
    }


def memory_document(one: Carried) -> dict[str, Any]:
    """Where the memory of each GPU goes."""
    room = one.candidate.memory
    return {
        "total": room.total_gib,
        "weights": room.weights_gib,
        "overhead": room.overhead_gib,
        "kv": room.kv_gib,
        "free": room.free_gib,
        "kv_tokens_per_replica": room.kv_tokens,
    }


def price_document(offer: Offer) -> dict[str, Any]:
    """The prices, USD per GPU-hour, and who asks them."""
    return asdict(offer)


def refusal_document(one: Refusal) -> dict[str, Any]:
    """One way that cannot be."""
    way = one.way
    return {
        "gpu": way.gpu,
        "precision": way.precision,
        "split": asdict(way.split),
        "limit": one.limit,
        "reason": f"{way.name}: {one.reason}",
    }


def size_document(size: Size | Refusal, traffic: Traffic) -> dict[str, Any]:
    """One row of the replica-sizing table."""
    if isinstance(size, Refusal):
        return {"fits": False} | refusal_document(size)
    one = size.carried
    return {
        "fits": True,
        "replicas": size.replicas,
        "gpu": one.candidate.way.gpu,
        "precision": one.candidate.way.precision,
        "split": asdict(one.candidate.way.split),
        "requests_per_s": size.rps,
        "output_tokens_per_s": size.rps * traffic.mean_output_tokens,
        "tpot_s": {"idle": one.idle_tpot_s, "at_limit": one.full_tpot_s},
        "ttft_s": {"idle": one.idle_ttft_s, "at_limit": one.full_ttft_s},
        "rho_max": one.rho.value,
        "binding": one.rho.binding,
        "kv_tokens": size.replicas * one.candidate.memory.kv_tokens,
        "usd_per_million_tokens_at_limit": size.usd_per_million(traffic),
        "measured": one.candidate.basis.measured,
        "error": one.candidate.basis.error,
    }


def year_document(year: Year) -> dict[str, Any]:
    """Months by band, and how the year is paid for."""
    return {
        "growth": asdict(year.growth),
        "bands": {band: quantile for band, (quantile, _) in BANDS.items()},
        "months": [
            {"month": m, **{band: asdict(cell) for band, cell in row.items()}} for m, row in enumerate(year.months, 1)
        ],
        "total_usd": {band: year.total_usd(band) for band in BANDS},
        "mix": asdict(year.mix) | {"usd_per_hour": year.mix.usd_per_hour, "saving": year.mix.saving},
    }


def confirmed_document(confirmed: Confirmed, planned_usd: float) -> dict[str, Any]:
    """What the simulator says of the busiest minutes."""
    return {
        "planned_replicas": confirmed.planned,
        "enough_replicas": confirmed.enough,
        "target_attainment": confirmed.target,
        "kept": confirmed.kept,
        "usd_per_million_tokens": confirmed.usd_per_million(planned_usd),
        "run": confirmed.run,
    }
