"""The meter's memory: what is added adds up, spans are half open, and nothing is there twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.cost.meter import STATES, Held, Used
from autoscaler.cost.store import CostStore, TenantUse
from collectors.store import open_store

HELD = Held(3600, "chat", "h100", 3_000_000, dict.fromkeys(STATES, 0) | {"active": 100}, 100, 40, 90)
USED = Used(3600, "chat", 15, 15, 0, 10.0, 0.0, 2.5, 1.0)


@pytest.fixture
def store() -> CostStore:
    return CostStore(open_store("sqlite://"))


def test_an_empty_store_has_nothing(store: CostStore) -> None:
    assert len(store.hours(0, 1e9)) == 0
    assert store.hours(0, 1e9).charged_ms.shape == (0, len(STATES))
    assert (store.usage(0, 1e9), store.tenants(0, 1e9), store.first_hour_s()) == ([], [], None)


def test_ticks_of_an_hour_add_up(store: CostStore) -> None:
    store.add([HELD], [USED])
    store.add([HELD, HELD], [USED])
    found = store.hours(0, 7200)
    assert (found.service, found.pool, found.micro_usd.tolist()) == (("chat",), ("h100",), [3_000_000])
    assert (found.charged_ms.tolist(), found.held_ms[0], found.busy_ms[0], found.seen_ms[0]) == (
        [[300, 0, 0, 0, 0, 0]],
        300,
        120,
        270,
    )
    assert store.usage(0, 7200) == [
        replace(USED, ms=30, tokens_ms=30, input_tokens=20.0, output_tokens=5.0, requests=2)
    ]


def test_spans_are_half_open_and_by_service(store: CostStore) -> None:
    store.add([HELD, replace(HELD, hour_s=7200), replace(HELD, service="code")], [USED])
    assert store.hours(3600, 7200).service == ("chat", "code")
    assert store.hours(3600, 7201, "chat").hour_s.tolist() == [3600, 7200]
    assert store.first_hour_s() == 3600


def test_a_new_price_is_a_new_row(store: CostStore) -> None:
    store.add([HELD, replace(HELD, micro_usd=4_000_000)], [])
    assert store.hours(0, 7200).micro_usd.tolist() == [3_000_000, 4_000_000]


def test_tenants_add_up(store: CostStore) -> None:
    store.add([], [], [TenantUse(3600, "acme", 10.0, 1.0), TenantUse(3600, "acme", 5.0, 1.0)])
    assert store.tenants(0, 7200) == [TenantUse(3600, "acme", 15.0, 2.0)]
