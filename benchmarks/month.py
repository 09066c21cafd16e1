"""A month of a fleet in the store, whether its cost is right to the cent, and how long each question about it takes.

python -m benchmarks.month FOLDER [--services 20] [--days 31] [--seed 1] [--history]

Writes FOLDER/leadtime.db and FOLDER/fleet.yaml (``leadtime daemon`` and the console can be looked at on them), works
the month's cost out again from replica-minutes and prices by other code, and times the API's answers in process.
``--history`` also writes every signal by the minute, which the other pages of the console show and savings are played
on; without it only the load is.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

from app.api.backend import Backend
from app.api.main import create_app
from app.daemon.memory import Memory, ServiceMemory
from app.reports.books import Books
from app.reports.wiring import books_for
from app.settings import Settings, load
from autoscaler.cost.meter import STATES, Held, Used
from autoscaler.cost.money import cents
from autoscaler.cost.store import CostStore, TenantUse
from autoscaler.decision import ControlState, TierCounts
from autoscaler.store.ledger import SqlLedger
from autoscaler.store.overrides import OverrideStore
from autoscaler.store.policies import PolicyStore
from autoscaler.store.trials import Trials
from benchmarks.month_fleet import Minutes, Traffic, played, settings_of, traffic_of
from collectors.history import History
from collectors.store import open_store

START_S = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
MINUTE_MS = 60_000
TENANTS = ("acme", "globex", "initech", "umbrella", "hooli", "stark")
TIMES = 3
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


def write(made: Month, store: CostStore, history: History, everything: bool) -> None:
    """Meter and history of the month."""
    for index, one in enumerate(made.settings.services):
        traffic, minutes = made.traffic[index], made.minutes[index]
        store.add(list(held_rows(one.pool, minutes)), list(used_rows(one.pool, traffic, minutes)))
        signals = signals_of(one.pool, traffic, minutes) if everything else {"offered_erlangs": minutes.seen}
        columns = [(name, values.tolist()) for name, values in signals.items()]
        rows = [
            (one.name, float(START_S + 60 * (at + 1)), {name: known(values[at]) for name, values in columns})
            for at in range(len(minutes.seen))
        ]
        history.append_many(rows)
    store.add([], [], list(tenant_rows(made)))
    history.compact(made.end_s)


def known(value: float) -> float | None:
    """A gap is None."""
    return None if value != value else value


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
    return {
        "offered_erlangs": minutes.seen,
        "capacity_erlangs": minutes.active * minutes.rho,
        "ready_erlangs": (minutes.active + minutes.standby) * minutes.rho,
        "arrivals_per_s": rate,
        "input_tokens_per_s": rate * traffic.input_tokens,
        "output_tokens_per_s": rate * traffic.output_tokens,
        "running": rate * traffic.output_tokens * tpot,
        "waiting": np.maximum(0.0, load - 1) * 20,
        "ttft_p90_s": 0.2 + 0.5 * np.maximum(0.0, load) ** 3,
        "tpot_p90_s": tpot,
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


def backend(made: Month, books: Books) -> Backend:
    """The API's, at the end of the month."""
    engine = open_store(made.settings.store.url)
    memory = Memory(now_s=float(made.end_s), ticked_at_s=float(made.end_s))
    for one in made.settings.services:
        state = ControlState(one.name, one.pool, TierCounts(), float(made.end_s))
        memory.services[one.name] = ServiceMemory(one.pool, state, one.policy, 1)
    stores = SqlLedger(engine), PolicyStore(engine), OverrideStore(engine), Trials(engine)
    return Backend(memory, books.history, *stores, books=books)


def questions(made: Month) -> dict[str, dict[str, Any]]:
    """What the Cost page and reports ask."""
    span = {"start": START_S, "end": made.end_s}
    first = made.settings.services[0].name
    return {
        "/cost": span,
        f"/cost?service={first}": span | {"service": first},
        "/cost/series": span | {"max_points": 200},
        "/cost/series (a day)": {"start": made.end_s - 86400, "end": made.end_s},
        "/cost/budgets": {},
        "/cost/capacity": span,
        "/cost/prices": {},
        f"/cost/savings?service={first}": span | {"service": first},
        "/cost/savings": span,
        "/reports": {"kind": "month", "at": START_S},
        "/reports/html": {"kind": "month", "at": START_S},
        "/reports/summary.csv": {"kind": "month", "at": START_S},
        "/reports/focus.csv": {"kind": "month", "at": START_S},
    }


async def timed(made: Month, books: Books) -> list[tuple[str, float, float, int]]:
    """(question, first and median of the later seconds, bytes)."""
    app = create_app(backend(made, books))
    found = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", timeout=300) as client:
        for name, params in questions(made).items():
            path = f"/api/v1{name.split('?')[0].split(' ')[0]}"
            took, size = [], 0
            for _ in range(TIMES):
                started = time.perf_counter()
                answer = await client.get(path, params=params)
                took.append(time.perf_counter() - started)
                answer.raise_for_status()
                size = len(answer.content)
            found.append((name, took[0], statistics.median(took[1:]), size))
    return found


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--services", type=int, default=20)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    (asked.folder / "leadtime.db").unlink(missing_ok=True)
    console, started = Console(), time.perf_counter()
    made = month(asked.folder, asked.services, asked.days, asked.seed)
    engine = open_store(made.settings.store.url)
    store, history = CostStore(engine), History(engine)
    write(made, store, history, asked.history)
    books = books_for(made.settings, store, history)
    console.print(f"{asked.services} services, {asked.days} days: written in {time.perf_counter() - started:.1f} s")
    ours, again = told(made, books)
    console.print(f"cost of the month ${ours}; worked out again ${again}: {'equal' if ours == again else 'NOT EQUAL'}")
    table = Table("question", "first s", "later s", "KB")
    for name, first, later, size in asyncio.run(timed(made, books)):
        table.add_row(name, f"{first:.3f}", f"{later:.3f}", f"{size / 1000:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
