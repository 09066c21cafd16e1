"""The API's contract served from a made-up fleet, for the console's tests and for looking at its pages.

``python -m tests.app.console.fake_api --port 18800 --mode stale``. Modes: normal, stale (the data stopped two minutes
ago), young (no forecast yet), empty (no services), error (500 on everything).
"""

from __future__ import annotations

import argparse
import difflib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import yaml
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from pydantic import ValidationError

from app.api.plan_api import PlanAsk
from app.api.proposals import ProposalView
from app.api.schemas.capacity import CapacityView, LeadTimeView, LearnedView, StepLaw
from app.api.schemas.decisions import AlternativeView, ConstraintView, DecisionRow, QuantileView
from app.api.schemas.fleet import AttentionItem, ClockInfo, FleetView, GpuCounts, RackRow
from app.api.schemas.forecasts import ForecastAccuracy, ForecastView
from app.api.schemas.overrides import OverrideView
from app.api.schemas.policies import FieldChange, PolicyCheck, PolicyDiff, PolicyRollback, PolicyVersion, PolicyWrite
from app.api.schemas.services import ReplicaCounts, ReplicaView, Series, ServiceRow
from app.api.schemas.trials import ShadowView, WatchView
from autoscaler.policy import Policy
from tests.app.console import (
    fake_cost,
    fake_decisions,
    fake_fleet,
    fake_forecasts,
    fake_hands,
    fake_nodes,
    fake_plan,
    fake_proposals,
    fake_trials,
)
from tests.app.console.fake_fleet import SERVICES, FakeService, signal

STALE_S = 120.0
SPARKLINES = (
    "attainment",
    "usd_per_million_tokens",
    "gpus_busy",
    "replicas_active",
    "standby_ready",
    "risk_of_shortfall",
)


@dataclass
class World:
    """The state behind the fake: what time it is, how it misbehaves, policies by service."""

    now: Callable[[], float]
    mode: str = "normal"
    speed: float = 1.0
    policies: dict[str, list[PolicyVersion]] = field(default_factory=dict)
    watches: dict[str, WatchView] = field(default_factory=dict)
    shadows: dict[str, ShadowView] = field(default_factory=dict)
    watched_s: float | None = None
    overrides: list[OverrideView] = field(default_factory=list)
    proposals: list[ProposalView] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    plans: list[PlanAsk] = field(default_factory=list)

    @property
    def services(self) -> tuple[FakeService, ...]:
        return () if self.mode == "empty" else SERVICES

    @property
    def seen_s(self) -> float:
        """The time of the newest data."""
        return self.now() - (STALE_S if self.mode == "stale" else 2.0)

    def service(self, name: str) -> FakeService:
        for service in self.services:
            if service.name == name:
                return service
        raise HTTPException(404, f"no service named {name}")

    def versions(self, name: str) -> list[PolicyVersion]:
        service = self.service(name)
        if name not in self.policies:
            policy = Policy.model_validate({"mode": service.mode, "replicas": {"min": 1, "max": 12}})
            self.policies[name] = [
                PolicyVersion(
                    service=name,
                    version=1,
                    at_s=self.now() - 86400,
                    author="config",
                    reason="fleet.yaml",
                    policy=policy.model_dump(mode="json"),
                )
            ]
        return self.policies[name]

    def add(self, name: str, policy: dict[str, Any], base: int, author: str, reason: str) -> PolicyVersion:
        versions = self.versions(name)
        if base != versions[-1].version:
            raise HTTPException(409, f"version {base} is not the newest, {versions[-1].version} is")
        new = PolicyVersion(
            service=name, version=base + 1, at_s=self.now(), author=author, reason=reason, policy=policy
        )
        versions.append(new)
        return new


def row(world: World, service: FakeService) -> ServiceRow:
    """The fleet table's line of a service."""
    at_s, stale = world.seen_s, world.mode in ("stale", "young")
    value = {name: signal(service, name, at_s) for name in ("offered_erlangs", "kv_usage_ratio", "waiting")}
    wanted, count = fake_fleet.desired(service, at_s), fake_fleet.active(service, at_s)
    load = fake_fleet.offered(service, at_s) / (fake_fleet.RHO_MAX * count)
    return ServiceRow(
        service=service.name,
        mode=service.mode,
        replicas=ReplicaCounts(
            active=count,
            standby=1,
            launching=max(0, wanted - count),
            desired_active=wanted,
            desired_standby=1,
        ),
        min_replicas=1,
        max_replicas=12,
        attainment=signal(service, "attainment", at_s),
        usd_per_million_tokens=signal(service, "usd_per_million_tokens", at_s),
        usd_per_hour=service.usd_per_replica_hour * (count + 1),
        capacity_erlangs=fake_fleet.RHO_MAX * count,
        ttft_p90_s=signal(service, "ttft_p90_s", at_s),
        tpot_p90_s=signal(service, "tpot_p90_s", at_s),
        ttft_target_s=2.0,
        tpot_target_s=0.05,
        risk_of_shortfall=max(0.0, min(1.0, 2 * (load - 0.8))),
        data_age_s=None if world.mode == "young" else world.now() - at_s,
        stale=stale,
        last_sentence=f"Wants {wanted} active: the P95 forecast 4 min ahead needs {wanted - 1}, noise adds 1.",
        demand_sparkline=[signal(service, "offered_erlangs", at_s - 60 * i) for i in range(40, -1, -1)],
        **value,
    )


def fleet(world: World) -> FleetView:
    """The five-second screen."""
    rows = [row(world, service) for service in world.services]
    at_s = world.seen_s
    spent = sum(r.usd_per_hour for r in rows)
    return FleetView(
        clock=ClockInfo(now_s=world.now(), speed=world.speed),
        attainment=min((r.attainment for r in rows if r.attainment is not None), default=None),
        usd_per_million_tokens=spent / 60 if rows else None,
        usd_per_hour=spent,
        gpus=GpuCounts(busy=sum(r.replicas.active for r in rows), idle_held=len(rows), idle=9),
        replicas_active=sum(r.replicas.active for r in rows),
        replicas_desired=sum(r.replicas.desired_active or 0 for r in rows) if rows else None,
        standby_ready=len(rows),
        asleep=2 if rows else 0,
        risk_of_shortfall=max((r.risk_of_shortfall or 0.0 for r in rows), default=None),
        data_age_s=max((r.data_age_s for r in rows if r.data_age_s is not None), default=None),
        stale=any(r.stale for r in rows),
        services=rows,
        attention=attention(rows),
        sparklines={name: [total(world, name, at_s - 60 * i) for i in range(40, -1, -1)] for name in SPARKLINES},
    )


def value(world: World, service: str, name: str, at_s: float) -> float | None:
    """A signal of a service, or of the fleet as a whole."""
    return total(world, name, at_s) if service == "_fleet" else signal(world.service(service), name, at_s)


def total(world: World, name: str, at_s: float) -> float | None:
    """A signal over all services."""
    values = [value for s in world.services if (value := signal(s, name, at_s)) is not None]
    return None if not values else min(values) if name == "attainment" else sum(values)


def attention(rows: list[ServiceRow]) -> list[AttentionItem]:
    """What anybody would complain about."""
    items = [
        AttentionItem(severity="critical", service=r.service, text=f"data is {STALE_S:.0f} s old; holding")
        for r in rows
        if r.stale and r.data_age_s is not None
    ]
    for r in rows:
        if (r.risk_of_shortfall or 0) > 0.05:
            text = f"may be short before a new replica is there (P = {r.risk_of_shortfall:.2f})"
            items.append(AttentionItem(severity="warning", service=r.service, text=text))
        if r.mode == "shadow":
            text = "in shadow mode: decisions are shown, not applied"
            items.append(AttentionItem(severity="info", service=r.service, text=text))
    return items


def rack(world: World) -> RackRow:
    """Two of the services on ten GPUs, six of them in use."""
    young = world.mode == "young"
    return RackRow(
        rack="h100-shared",
        services=["summarize-8b", "embed-1b"],
        gpu="H100",
        max_gpus=32,
        lead_time_p90_s=240.0,
        held=10,
        used=6,
        lent=4,
        ordered=0,
        idle_usd_per_hour=4 * 2.5 * 0.3,
        wanted=None if young else 10,
        needed_together=None if young else 10,
        needed_apart=None if young else 14,
        tau=None if young else 0.98,
        at_s=None if young else world.seen_s,
        acts=None if young else True,
        binding=None if young else "need",
        sentence=None if young else "Keep 10 GPUs: 6 are asked for now; apart they would need 14.",
    )


def capacity(name: str, young: bool = False) -> CapacityView:
    """A pool whose steps take 12 % longer than configured."""
    law = {"a_ms": 16.0, "b_ms_per_seq": 0.05, "k_ms_per_1k_kv_tokens": 0.06, "p_ms_per_1k_prefill_tokens": 70.0}
    learned = LearnedView(
        law=StepLaw(**{term: 1.12 * value for term, value in law.items()}),
        factors=dict.fromkeys("abkp", 1.12),
        at_bound=[],
        replica_s=9000.0,
        last_taken_s=0.0,
        taken=4,
        refused={"saturated: requests wait": 1},
    )
    return CapacityView(
        service=name,
        pool=f"{name}-h100",
        rho_max=None if young else fake_fleet.RHO_MAX,
        rho_max_configured=None if young else 0.8,
        binding=None if young else "tpot",
        law=StepLaw(**law),
        learned=None if young else learned,
        lead_times=[lead_time("asleep", "waking", 2.0, 3), lead_time("cold", "launching", 120.0, 12)],
    )


def lead_time(tier: str, transition: str, p50_s: float, measured: int) -> LeadTimeView:
    """A tier that takes a tenth longer than configured."""
    return LeadTimeView(
        tier=tier,
        transition=transition,
        p50_s=1.1 * p50_s,
        p90_s=1.6 * p50_s,
        configured_p50_s=p50_s,
        configured_p90_s=1.5 * p50_s,
        measured=measured,
    )


def decision(service: FakeService, at_s: float) -> DecisionRow:
    """What was decided at a step."""
    wanted, count = fake_fleet.desired(service, at_s), fake_fleet.active(service, at_s)
    grows = wanted > count
    verb = "Grow" if grows else "Shrink" if wanted < count else "Hold"
    return DecisionRow(
        id=f"{service.name}-{at_s:.0f}",
        service=service.name,
        at_s=at_s,
        mode=service.mode,
        current_active=count,
        desired_active=wanted,
        desired_standby=1,
        desired_asleep=0,
        binding="forecast" if grows else "window" if wanted == count else "load",
        sentence=f"{verb} at {wanted}: P95 load in 4 min is {0.7 * wanted - 0.2:.1f} erlangs.",
        applied=service.mode == "auto",
        constraints=constraints(wanted, count),
        alternatives=[
            AlternativeView(
                replicas=wanted + 1, name="forecast", erlangs=4.2, after_s=0.0, text="one more if P95 rises above 4.2"
            ),
            AlternativeView(
                replicas=wanted - 1, name="window", erlangs=3.1, after_s=90.0, text="one fewer in 90 s if P95 stays"
            ),
        ],
        usd_per_hour_now=12.4 * count,
        usd_per_hour_then=12.4 * wanted,
        policy_version=1,
    )


def constraints(wanted: int, count: int) -> list[ConstraintView]:
    """What took part: two voices, the window and the operator's bounds."""
    grows, holds = wanted > count, wanted == count
    need = wanted if grows else max(1, wanted - 1) if holds else wanted
    told = [
        ("forecast", need, grows, "P95 of the next 240 s, $12.40 an hour"),
        ("load", need if not grows else count, not grows and not holds, "load now / ρ_max 0.70"),
        *([("window", count, True, f"{count} were needed at some moment of the last 300 s")] if holds else []),
        ("min", 1, False, "replicas.min is 1"),
        ("max", max(12, wanted), False, f"replicas.max is {max(12, wanted)}"),
    ]
    quantiles = [QuantileView(horizon_s=240.0, tau=0.95, erlangs=0.7 * wanted - 0.2)]
    return [
        ConstraintView(
            name=name, replicas=n, binds=binds, detail=detail, quantiles=quantiles if name == "forecast" else []
        )
        for name, n, binds, detail in told
    ]


def diff(old: dict[str, Any], new: dict[str, Any]) -> PolicyDiff:
    """By field and as unified YAML."""
    flat_old, flat_new = flat(old), flat(new)
    changes = [
        FieldChange(field=key, old=flat_old.get(key), new=flat_new.get(key))
        for key in sorted(flat_old | flat_new)
        if flat_old.get(key) != flat_new.get(key)
    ]
    texts = [yaml.safe_dump(policy, sort_keys=False).splitlines() for policy in (old, new)]
    return PolicyDiff(changes=changes, yaml_diff="\n".join(difflib.unified_diff(*texts, lineterm="", n=1)))


def flat(policy: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted paths to leaves."""
    leaves: dict[str, Any] = {}
    for key, value in policy.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def check(world: World, name: str, policy: dict[str, Any]) -> PolicyCheck:
    """Validate a draft."""
    try:
        valid = Policy.model_validate(policy).model_dump(mode="json")
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return PolicyCheck(valid=False, errors=lines)
    current = world.versions(name)[-1].policy
    asked = fake_proposals.needs(current, valid)
    return PolicyCheck(valid=True, errors=[], diff=diff(current, valid), second_person=asked)


def reading(world: World) -> APIRouter:
    """What is seen."""
    api = APIRouter()

    @api.get("/fleet")
    def get_fleet() -> FleetView:
        return fleet(world)

    @api.get("/racks")
    def get_racks() -> list[RackRow]:
        return [rack(world)] if world.services else []

    @api.get("/services/{name}")
    def get_service(name: str) -> ServiceRow:
        return row(world, world.service(name))

    @api.get("/services/{name}/series")
    def get_series(name: str, start: float, end: float, signals: str, max_points: int = 600) -> Series:
        if name != "_fleet":
            world.service(name)
        step = max(fake_fleet.STEP_S, (end - start) / max_points)
        times = [start + i * step for i in range(int((min(end, world.seen_s) - start) / step) + 1)]
        points = {s: [(t, value(world, name, s, t)) for t in times] for s in signals.split(",")}
        return Series(service=name, start_s=start, end_s=end, step_s=step, signals=points)

    @api.get("/services/{name}/forecast")
    def get_forecast(name: str) -> ForecastView:
        service = world.service(name)
        if world.mode == "young":
            raise HTTPException(404, f"{name} has no forecast yet; wait for the next tick")
        return fake_forecasts.latest(service, world.seen_s)

    @api.get("/services/{name}/forecast/accuracy")
    def get_accuracy(name: str, span_s: float = 86400.0, horizon_s: float | None = None) -> ForecastAccuracy:
        service = world.service(name)
        return fake_forecasts.accuracy(service, world.now(), 60 if world.mode == "young" else span_s, horizon_s)

    @api.get("/services/{name}/replicas")
    def get_replicas(name: str) -> list[ReplicaView]:
        service, at_s = world.service(name), world.seen_s
        count = fake_fleet.active(service, at_s)
        return [
            ReplicaView(
                name=f"{name}-{i}",
                service=name,
                pool=f"{name}-h100",
                tier="active" if i < count else "standby",
                transition="launching" if i == count + 1 else None,
                since_s=at_s - 400 * (i + 1),
                node=f"node-{i // 4}",
                gpus=[f"GPU-{i}"],
                running=20.0 + i,
                kv_usage_ratio=signal(service, "kv_usage_ratio", at_s + 30 * i),
            )
            for i in range(count + 2)
        ]

    @api.get("/services/{name}/capacity")
    def get_capacity(name: str) -> CapacityView:
        world.service(name)
        return capacity(name, world.mode == "young")

    @api.get("/services/{name}/decisions")
    def get_decisions(name: str, limit: int = 50) -> list[DecisionRow]:
        newest = world.seen_s // fake_fleet.STEP_S * fake_fleet.STEP_S
        return [decision(world.service(name), newest - i * fake_fleet.STEP_S) for i in range(limit)]

    return api


def policies(world: World) -> APIRouter:
    """What is wanted."""
    api = APIRouter()

    @api.get("/schema")
    def get_schema() -> dict[str, Any]:
        return {"policy": Policy.model_json_schema()}

    @api.get("/policies/{name}")
    def get_policy(name: str) -> PolicyVersion:
        return world.versions(name)[-1]

    @api.put("/policies/{name}")
    def put_policy(name: str, body: PolicyWrite) -> PolicyVersion:
        world.watched_s = body.watch_s
        return world.add(name, body.policy, body.base_version, body.author, body.reason)

    @api.post("/policies/{name}/check")
    def post_check(name: str, body: dict[str, dict[str, Any]]) -> PolicyCheck:
        return check(world, name, body["policy"])

    @api.get("/policies/{name}/history")
    def get_history(name: str) -> list[PolicyVersion]:
        return world.versions(name)

    @api.get("/policies/{name}/diff")
    def get_diff(name: str, to: int, base: int = Query(alias="from")) -> PolicyDiff:
        versions = world.versions(name)
        return diff(versions[base - 1].policy, versions[to - 1].policy)

    @api.post("/policies/{name}/rollback")
    def post_rollback(name: str, body: PolicyRollback) -> PolicyVersion:
        old = world.versions(name)[body.to_version - 1].policy
        return world.add(name, old, body.base_version, body.author, body.reason)

    return api


def create_app(world: World) -> FastAPI:
    """The fake API over a world, which may be changed while it runs."""

    def misbehave() -> None:
        if world.mode == "error":
            raise HTTPException(500, "the store is locked")

    app = FastAPI(dependencies=[Depends(misbehave)])
    app.include_router(reading(world), prefix="/api/v1")
    app.include_router(policies(world), prefix="/api/v1")
    app.include_router(fake_trials.router(world), prefix="/api/v1")
    app.include_router(fake_hands.router(world), prefix="/api/v1")
    app.include_router(fake_decisions.router(world), prefix="/api/v1")
    app.include_router(fake_proposals.router(world), prefix="/api/v1")
    app.include_router(fake_nodes.router(world), prefix="/api/v1")
    app.include_router(fake_plan.router(world), prefix="/api/v1")
    app.include_router(fake_cost.router(world), prefix="/api/v1")
    return app


def main() -> None:
    """Serve it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=18800)
    parser.add_argument("--mode", default="normal", choices=("normal", "stale", "young", "empty", "error"))
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args()
    start = time.time()
    world = World(lambda: start + (time.time() - start) * options.speed, options.mode, options.speed)
    uvicorn.run(create_app(world), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
