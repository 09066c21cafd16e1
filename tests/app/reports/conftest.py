"""Books over a few metered days of two services, made by hand so that every sum can be checked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from app.costsettings import CarbonSettings
from app.reports.books import Books
from autoscaler.cost.account import Terms
from autoscaler.cost.book import Sku
from autoscaler.cost.budget import Budget
from autoscaler.cost.commitments import Commitment
from autoscaler.cost.meter import STATES, Held, Used
from autoscaler.cost.store import CostStore, TenantUse
from autoscaler.policy import Policy
from collectors.history import History
from collectors.store import open_store
from tests.autoscaler.cases import POOL

START_S = 1_793_491_200  # 1 November 2026, midnight UTC
DAYS = 4
HOUR = 3_600_000
OTHER = replace(POOL, name="l4", service="=code", gpu="L4", gpus_per_replica=1, price_usd_per_gpu_hour=0.8)
SERVICES = {"chat": (POOL,), "=code": (OTHER,)}
POLICIES = {name: Policy.model_validate({"replicas": {"min": 1, "max": 50}}) for name in SERVICES}


def metered(hour: int, service: str, replicas: int, standby: int) -> tuple[Held, Used]:
    """An hour of a service, with a tenth of its input cached and half of its GPUs telling their energy."""
    pool, start = SERVICES[service][0], START_S + 3600 * hour
    ms = HOUR * pool.gpus_per_replica
    charged = dict.fromkeys(STATES, 0) | {"active": replicas * ms, "standby": standby * ms}
    micro = round(pool.price_usd_per_gpu_hour * 1e6)
    held_ms = (replicas + standby) * ms
    held = Held(start, service, pool.name, micro, charged, held_ms, round(0.6 * replicas * ms), replicas * ms)
    used = Used(start, service, HOUR, HOUR, HOUR, 4e6, 4e5, 1e6, 5000.0, 1.8e6 * replicas, held_ms // 2)
    return held, used


def replicas_at(hour: int) -> int:
    return 3 + round(2 * math.sin(hour / 24 * 2 * math.pi))


@pytest.fixture(scope="session")
def books() -> Books:
    engine = open_store("sqlite://")
    store, history = CostStore(engine), History(engine)
    hours = range(24 * DAYS)
    rows = [metered(hour, *one) for hour in hours for one in (("chat", replicas_at(hour), 1), ("=code", 2, 0))]
    tenants = [TenantUse(START_S + 3600 * hour, "acme", 5e6, 100.0) for hour in hours]
    store.add([held for held, _ in rows], [used for _, used in rows], tenants)
    minutes = START_S + 60.0 * np.arange(1, 1440 * DAYS + 1)
    load = 1.2 + 0.8 * np.sin((minutes - START_S) / 86400 * 2 * np.pi)
    history.append_many([("chat", float(t), {"offered_erlangs": float(a)}) for t, a in zip(minutes, load, strict=True)])
    terms = Terms(commitments=(Commitment("spare", Sku("x", "", "y"), 1, 1.5, START_S, START_S + 86400),))
    budgets = (Budget("all", 5000.0), Budget("chat", 100.0, "chat"))
    carbon = CarbonSettings(grams_co2_per_kwh={"default": 400.0}, pue=1.25)
    return Books(store, history, SERVICES, terms, carbon, budgets, {POOL.gpu: 12})
