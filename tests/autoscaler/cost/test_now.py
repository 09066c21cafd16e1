"""Dollars per hour and per million tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.cost import hourly, hourly_of, per_million_tokens
from autoscaler.decision import TierCounts
from runtime.replica import Replica, Tier
from tests.autoscaler.cases import POOL, SHARED


def test_dedicated_standby_costs_what_an_active_replica_costs() -> None:
    cost = hourly(TierCounts(active=2, standby=1, launching=1), POOL)
    assert (cost.active_usd, cost.standby_usd, cost.overhead_usd) == (10.0, 5.0, 5.0)
    assert cost.total_usd == 20.0


def test_shared_standby_costs_its_share() -> None:
    assert hourly(TierCounts(standby=2, asleep=1), SHARED).total_usd == pytest.approx(2 * 1.5 + 0.5)


def test_prices_name_what_they_include() -> None:
    price = per_million_tokens(hourly(TierCounts(active=2, standby=2), POOL), 10_000.0)
    assert price.serving_usd == pytest.approx(10 / 36)
    assert price.fully_loaded_usd == pytest.approx(20 / 36)
    assert price.waste_share == 0.5


@pytest.mark.parametrize("tokens_per_s", [None, 0.0])
def test_without_tokens_there_is_no_price(tokens_per_s: float | None) -> None:
    price = per_million_tokens(hourly(TierCounts(active=1), POOL), tokens_per_s)
    assert (price.serving_usd, price.fully_loaded_usd) == (None, None)
    assert per_million_tokens(hourly(TierCounts(), POOL), tokens_per_s).waste_share is None


def test_replicas_of_several_pools_cost_what_each_pool_does() -> None:
    cheap = replace(POOL, name="cheap", price_usd_per_gpu_hour=1.0)
    there = [
        Replica(str(i), "chat", pool, Tier.ACTIVE, None, 0.0, "", "n", ())
        for i, pool in enumerate([POOL.name, "cheap", "cheap", "forgotten"])
    ]
    assert hourly_of(there, (POOL, cheap)).total_usd == 5.0 + 2 * 2.0 + 5.0
