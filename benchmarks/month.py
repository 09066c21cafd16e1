"""A month of a fleet in the store, whether its cost is right to the cent, and how long each question about it takes.

python -m benchmarks.month FOLDER [--services 20] [--days 31] [--seed 1] [--history] [--again]

Writes FOLDER/leadtime.db and FOLDER/fleet.yaml (``leadtime daemon`` and the console can be looked at on them), works
the month's cost out again from replica-minutes and prices by other code, and times the API's answers in process.
``--history`` also writes every signal (by the minute, by ticks of 15 s in the last 48 hours), decisions, policies and
an audit, opens every page of the console and times what it asks; without it only the load is written and reports are
timed. ``--again`` takes the store that is there.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import yaml
from fastapi import FastAPI
from rich.console import Console

from app.api.backend import Backend
from app.api.main import create_app
from app.daemon.signals import FLEET, FLEET_SIGNALS, FORECAST_TAUS
from app.reports.books import Books
from app.reports.wiring import books_for
from app.settings import Settings, load
from autoscaler.cost.meter import STATES, Held, Used
from autoscaler.cost.money import cents
from autoscaler.cost.store import CostStore, TenantUse
from autoscaler.store.audit import AuditLog
from autoscaler.store.ledger import SqlLedger
from autoscaler.store.overrides import OverrideStore
from autoscaler.store.policies import PolicyStore
from autoscaler.store.proposals import Approvals, ProposalStore
from autoscaler.store.trials import Trials
from benchmarks.month_fleet import Minutes, Traffic, played, settings_of, traffic_of
from benchmarks.month_now import Parts, memory_of, write_changes, write_decisions
from benchmarks.month_pages import page_table, question_table, questions, timed
from collectors.history import FULL_S, History
from collectors.store import open_store

START_S = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
MINUTE_MS = 60_000
TENANTS = ("acme", "globex", "initech", "umbrella", "hooli", "stark")
IDLE_WATTS, BUSY_WATTS = 110.0, 520.0


@dataclass(frozen=True, slots=True, eq=False)
class Month:
    """A fleet and what happened to it, by service."""

    settings: Settings
    traffic: Sequence[Traffic]
    minutes: Sequence[Minutes]
    days: int

    @property
    def end_s(self) -> int:
        """When it is over."""
        return START_S + 86400 * self.days

    @property
    def parts(self) -> list[Parts]:
        """Every service with its traffic and its minutes."""
        return [*zip(self.settings.services, self.traffic, self.minutes, strict=True)]


def month(folder: Path, services: int, days: int, seed: int) -> Month:
    """Make the fleet file and play every service."""
    plain = settings_of(services, seed) | {"store": {"url": f"sqlite:///{folder / 'leadtime.db'}"}}
    path = folder / "fleet.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
    settings, traffic = load(path), traffic_of(services, seed)
    minutes = [
        played(own, one.pool, one.policy, days, seed * 1000 + index)
        for index, (own, one) in enumerate(zip(traffic, settings.services, strict=True))
    ]
    return Month(settings, traffic, minutes, days)


# --- into the store ----------------------------------------------------------------------------------------------


def write(made: Month, engine: sa.Engine, everything: bool) -> None:
    """Meter, history and what else pages show, of the month."""
    store, history = CostStore(engine), History(engine)
    for one, traffic, minutes in made.parts:
        store.add(list(held_rows(one.pool, minutes)), list(used_rows(one.pool, traffic, minutes)))
        signals = signals_of(one.pool, traffic, minutes) if everything else {"offered_erlangs": minutes.seen}
        record(history, one.name, signals, made.end_s, everything)
        if everything:
            write_decisions((one, traffic, minutes), SqlLedger(engine), made.end_s)
    store.add([], [], list(tenant_rows(made)))
    if everything:
        held = np.sum([minutes.active for _, _, minutes in made.parts], axis=0).astype(np.float64)
        record(history, FLEET, dict.fromkeys(FLEET_SIGNALS, held), made.end_s, True)
        write_changes(made.parts, PolicyStore(engine), AuditLog(engine), made.end_s)
    history.compact(made.end_s)


def record(history: History, service: str, signals: dict[str, Any], end_s: float, ticks: bool) -> None:
    """The signals by the minute, and by ticks as far back as a daemon keeps them."""
    count = len(next(iter(signals.values())))
    ends = end_s - 60.0 * np.arange(count - 1, -1, -1)
    recent = ends > end_s - FULL_S if ticks else np.zeros(count, dtype=bool)
    fine = (ends[recent, None] + np.arange(-45.0, 1.0, 15.0)).ravel()
    columns = {name: np.concatenate([v[~recent], np.repeat(v[recent], 4)]) for name, v in signals.items()}
    history.append_columns(service, np.concatenate([ends[~recent], fine]), columns)


def hourly(values: Any) -> list[int]:
    """Sums of whole hours."""
    return [int(total) for total in np.asarray(values).reshape(-1, 60).sum(axis=1)]


def held_rows(pool: Any, minutes: Minutes) -> Iterator[Held]:
    """GPU time by hour, in whole replica-minutes."""
    ms = MINUTE_MS * pool.gpus_per_replica
    busy = np.minimum(1.0, minutes.seen / (minutes.active * minutes.rho))
    seen = np.isfinite(busy)
    states = [hourly(ms * part) for part in (minutes.active, minutes.standby, minutes.moving)]
    enough = hourly(np.round(np.where(seen, busy, 0.0) * ms * minutes.active))
    watched = hourly(np.where(seen, ms * minutes.active, 0))
    micro = round(pool.price_usd_per_gpu_hour * 1e6)
    for hour, (active, standby, moving) in enumerate(zip(*states, strict=True)):
        charged = dict.fromkeys(STATES, 0) | {"active": active, "standby": standby, "moving": moving}
        held = active + standby + moving
        yield Held(START_S + 3600 * hour, pool.service, pool.name, micro, charged, held, enough[hour], watched[hour])


def used_rows(pool: Any, traffic: Traffic, minutes: Minutes) -> Iterator[Used]:
    """Tokens and joules by hour; minutes that nobody saw are gaps."""
    seen = np.isfinite(minutes.seen)
    requests = np.where(seen, 60 * minutes.requests_per_s, 0.0).reshape(-1, 60).sum(axis=1)
    busy = np.minimum(1.0, minutes.erlangs / minutes.active)
    watts = (IDLE_WATTS + (BUSY_WATTS - IDLE_WATTS) * busy) * minutes.active + IDLE_WATTS * minutes.standby
    joules = (60 * pool.gpus_per_replica * watts).reshape(-1, 60).sum(axis=1)
    tokens_ms = hourly(np.where(seen, MINUTE_MS, 0))
    gpu_ms = hourly(MINUTE_MS * pool.gpus_per_replica * (minutes.active + minutes.standby + minutes.moving))
    for hour, count in enumerate(requests.tolist()):
        prompt, answer = count * traffic.input_tokens, count * traffic.output_tokens
        yield Used(
            START_S + 3600 * hour,
            pool.service,
            60 * MINUTE_MS,
            tokens_ms[hour],
            tokens_ms[hour],
            prompt,
            prompt * traffic.cached_share,
            answer,
            count,
            float(joules[hour]) if traffic.powered else 0.0,
            gpu_ms[hour] if traffic.powered else 0,
        )


def tenant_rows(made: Month) -> Iterator[TenantUse]:
    """What came through the router, among tenants by fixed shares."""
    shares = np.array([0.34, 0.22, 0.17, 0.12, 0.09, 0.06])
    routed = [i for i, own in enumerate(made.traffic) if own.routed]
    requests = sum(np.array([60 * made.minutes[i].requests_per_s]).reshape(-1, 60).sum(axis=1) for i in routed)
    tokens = sum(
        (made.traffic[i].input_tokens + made.traffic[i].output_tokens)
        * (60 * made.minutes[i].requests_per_s).reshape(-1, 60).sum(axis=1)
        for i in routed
    )
    for hour, (count, total) in enumerate(zip(np.asarray(requests).tolist(), np.asarray(tokens).tolist(), strict=True)):
        for tenant, share in zip(TENANTS, shares.tolist(), strict=True):
            yield TenantUse(START_S + 3600 * hour, tenant, share * total, share * count)


def signals_of(pool: Any, traffic: Traffic, minutes: Minutes) -> dict[str, Any]:
    """The signals that the daemon would have written, as far as the month tells them."""
    load = np.minimum(1.3, minutes.seen / (minutes.active * minutes.rho))
    usd = pool.replica_usd_per_hour * (minutes.active + minutes.standby + minutes.moving)
    rate = np.where(np.isfinite(minutes.seen), minutes.requests_per_s, np.nan)
    tokens = rate * (traffic.input_tokens + traffic.output_tokens)
    tpot = pool.step.a_ms / 1000 / np.maximum(0.05, 1 - np.minimum(0.95, load * minutes.rho))
    ttft = 0.2 + 0.5 * np.maximum(0.0, load) ** 3
    nothing = np.zeros(len(load))
    return {
        **{name: minutes.erlangs * (1 + tau / 4) for name, tau in FORECAST_TAUS.items()},
        **{f"ttft_{name}_s": ttft * times for name, times in (("p50", 0.5), ("p90", 1.0), ("p99", 2.0))},
        **{f"tpot_{name}_s": tpot * times for name, times in (("p50", 0.9), ("p90", 1.0), ("p99", 1.3))},
        "kv_usage_ratio": np.minimum(1.0, load * 0.6),
        "replicas_asleep": nothing,
        "replicas_draining": nothing,
        "offered_erlangs": minutes.seen,
        "capacity_erlangs": minutes.active * minutes.rho,
        "ready_erlangs": (minutes.active + minutes.standby) * minutes.rho,
        "arrivals_per_s": rate,
        "input_tokens_per_s": rate * traffic.input_tokens,
        "output_tokens_per_s": rate * traffic.output_tokens,
        "running": rate * traffic.output_tokens * tpot,
        "waiting": np.maximum(0.0, load - 1) * 20,
        "attainment": np.where(np.isnan(load), np.nan, np.where(load <= 1, 0.999, 1 - (load - 1))),
        "replicas_active": minutes.active.astype(np.float64),
        "replicas_standby": minutes.standby.astype(np.float64),
        "replicas_launching": minutes.moving.astype(np.float64),
        "replicas_desired": minutes.active.astype(np.float64),
        "usd_per_hour": usd,
        "usd_per_million_tokens": usd / np.maximum(1e-9, tokens * 3600 / 1e6),
    }


# --- is it right? ------------------------------------------------------------------------------------------------


def worked_out_again(made: Month) -> Fraction:
    """The month's cost in dollars, exactly, from replica-minutes and the fleet file's prices: no code of the books."""
    cost = made.settings.cost
    total = Fraction(str(cost.platform_usd_per_hour)) * 24 * made.days
    used: dict[tuple[str, int], Fraction] = {}
    for one, minutes in zip(made.settings.services, made.minutes, strict=True):
        pool, placed = one.pool, cost.pools.get(one.pool.name)
        replica_minutes = np.asarray(minutes.active + minutes.standby + minutes.moving).reshape(-1, 60).sum(axis=1)
        for hour, count in enumerate(replica_minutes.tolist()):
            gpu_hours = Fraction(int(count) * pool.gpus_per_replica, 60)
            if placed is None:
                total += gpu_hours * Fraction(str(pool.price_usd_per_gpu_hour))
            else:
                used[placed.sku, hour] = used.get((placed.sku, hour), Fraction()) + gpu_hours
    committed = {one.sku: one for one in cost.commitments}
    for (sku, hour), gpu_hours in used.items():
        at = datetime.fromtimestamp(START_S + 3600 * hour, UTC).date()
        price = max((p for p in cost.prices if p.sku == sku and p.since <= at), key=lambda p: p.since)
        covered = min(gpu_hours, Fraction(committed[sku].gpus)) if sku in committed else Fraction()
        total += (gpu_hours - covered) * Fraction(str(price.usd_per_gpu_hour))
    return total + sum(Fraction(str(one.usd_per_gpu_hour)) * one.gpus * 24 * made.days for one in cost.commitments)


def told(made: Month, books: Books) -> tuple[str, str]:
    """The month's cost to the cent: by the books, and worked out again."""
    lines = books.statement(START_S, made.end_s).lines
    exact = worked_out_again(made)
    return str(cents(lines.total_nano)), str(cents(round(exact * 10**9)))


# --- how long does it take? --------------------------------------------------------------------------------------


def backend(made: Month, engine: sa.Engine) -> Backend:
    """The API's, at the end of the month, with nothing kept."""
    books = books_for(made.settings, CostStore(engine), History(engine))
    stores = SqlLedger(engine), PolicyStore(engine), OverrideStore(engine), Trials(engine)
    memory = memory_of(made.parts, float(made.end_s))
    approvals = Approvals(store=ProposalStore(engine))
    return Backend(memory, books.history, *stores, audit=AuditLog(engine), books=books, approvals=approvals)


def reports(made: Month) -> list[str]:
    """What reports ask."""
    asked = f"kind=month&at={START_S}"
    forms = ("/reports", "/reports/html", "/reports/summary.csv", "/reports/focus.csv")
    return [f"/api/v1{form}?{asked}" for form in forms]


def timings(made: Month, engine: sa.Engine, pages: bool, console: Console) -> None:
    """Time everything, and print it."""
    shared = backend(made, engine)

    def fresh() -> FastAPI:
        return create_app(replace(shared, books=books_for(made.settings, CostStore(engine), History(engine))))

    asked = questions(fresh(), made.settings.services[0].name) if pages else {}
    answers = {page: asyncio.run(timed(fresh(), found)) for page, found in asked.items()}
    if pages:
        console.print(page_table(answers))
    every = {one.question: one for found in answers.values() for one in found}
    console.print(question_table([*every.values(), *asyncio.run(timed(fresh(), reports(made)))]))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--services", type=int, default=20)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", action="store_true")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not asked.again:
        (asked.folder / "leadtime.db").unlink(missing_ok=True)
    console, started = Console(), time.perf_counter()
    made = month(asked.folder, asked.services, asked.days, asked.seed)
    engine = open_store(made.settings.store.url)
    if not asked.again:
        write(made, engine, asked.history)
        spent = time.perf_counter() - started
        console.print(f"{asked.services} services, {asked.days} days: written in {spent:.1f} s")
    ours, again = told(made, books_for(made.settings, CostStore(engine), History(engine)))
    console.print(f"cost of the month ${ours}; worked out again ${again}: {'equal' if ours == again else 'NOT EQUAL'}")
    timings(made, engine, asked.history, console)


if __name__ == "__main__":
    main()
