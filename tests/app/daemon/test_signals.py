"""The numbers of a tick: shares within a target, money, and gaps that stay gaps."""

from __future__ import annotations

import math

import pytest

from app.daemon.signals import (
    FLEET_SIGNALS,
    SIGNALS,
    fleet_signals,
    forecast_signals,
    gpu_signals,
    replica_signals,
    token_rate,
)
from collectors.observation import GpuUse, Observation
from forecasting.forecast import Forecast
from runtime.replica import Tier
from tests.app.fakes import START_S, replica

BOUNDS = (1.0, 2.0, 4.0, math.inf)


def seen(**known: object) -> Observation:
    return Observation("chat", START_S, 15.0, True, **known)  # type: ignore[arg-type]


def test_replicas_are_counted_by_state() -> None:
    counts = replica_signals([replica(0, Tier.ACTIVE), replica(1, Tier.ACTIVE), replica(2, Tier.STANDBY)])
    assert (counts["replicas_active"], counts["replicas_standby"], counts["replicas_asleep"]) == (2, 1, 0)


def test_gpus_nobody_told_of_are_a_gap() -> None:
    assert gpu_signals(None) == dict.fromkeys(FLEET_SIGNALS)
    assert gpu_signals(GpuUse(busy=3, idle_held=2, idle=1)) == dict(zip(FLEET_SIGNALS, (3, 2, 1), strict=True))


def test_a_forecast_is_read_at_the_lead_time() -> None:
    forecast = Forecast("chat", START_S, (60.0, 120.0), (0.5, 0.95, 0.99), ((1, 2, 3), (3, 4, 5)), "x", 60.0)
    assert forecast_signals(forecast, 90.0) == {"forecast_p50": 2.0, "forecast_p95": 3.0, "forecast_p99": 4.0}
    assert set(forecast_signals(None, 90.0).values()) == {None}


def test_unknown_rates_are_not_zero() -> None:
    assert token_rate(seen()) is None
    assert token_rate(seen(output_tokens_per_s=5.0)) == 5.0


def test_the_worst_service_speaks_for_the_fleet() -> None:
    blank = dict.fromkeys(SIGNALS)
    strip = fleet_signals([blank | {"attainment": 0.9}, blank | {"attainment": 0.99}, blank], [])
    assert strip["attainment"] == 0.9
    assert strip["usd_per_hour"] is None and strip["risk_of_shortfall"] is None


def test_the_fleet_s_price_is_of_all_tokens() -> None:
    blank = dict.fromkeys(SIGNALS)
    one = blank | {"usd_per_hour": 3.6, "input_tokens_per_s": 500.0, "output_tokens_per_s": 500.0}
    assert fleet_signals([one, one], [])["usd_per_million_tokens"] == pytest.approx(1.0)
