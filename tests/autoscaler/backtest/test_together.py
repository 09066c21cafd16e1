"""Services on one rack, played at once: held is used or lent, who is at zero is woken, and twice gives the same."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.backtest.case import Case
from autoscaler.backtest.together import Portfolio, play
from autoscaler.policy import Policy
from autoscaler.sharing.rack import RackPolicy
from runtime.pool import LeadTime
from runtime.rack import Rack
from runtime.replica import Tier
from tests.autoscaler.backtest.cases import POLICY, case, requests, trace
from tests.autoscaler.cases import POOL

RACK = Rack("rack", POOL.gpu, POOL.price_usd_per_gpu_hour, 6, 32, LeadTime(60.0, 90.0), lent_share=0.3)
TO_ZERO = Policy.model_validate({"replicas": {"min": 0, "max": 4, "idle_s": 30}, "scale_in": {"window_s": 15}})


def service(name: str, of: Case) -> Case:
    pool = replace(POOL, name=f"{name}-pool", service=name, lead_times={Tier.ASLEEP: LeadTime(3.0, 6.0)})
    return replace(of, name=name, pool=pool)


def portfolio() -> Portfolio:
    busy = service("busy", case(trace(300.0, rps=6.0), POLICY))
    rare = service("rare", case(requests((100.0, 500, 50), (290.0, 500, 50)), TO_ZERO))
    return Portfolio((busy, rare), RACK, RackPolicy(min_idle_gpus=2))


def test_a_portfolio_is_served_from_one_rack() -> None:
    played = play(portfolio())
    rows = {row["service"]: row for row in played.rows}
    assert rows["rare"]["requests"] == 2 and rows["rare"]["lost"] == rows["rare"]["rejected"] == 0
    assert rows["rare"]["gpu_hours"] < 0.25 * rows["busy"]["gpu_hours"]
    rack = played.rack
    assert abs(rack["held_gpu_hours"] - rack["used_gpu_hours"] - rack["lent_gpu_hours"]) < 1e-9
    assert abs(rack["used_gpu_hours"] - sum(row["gpu_hours"] for row in played.rows)) < 1e-9
    assert play(portfolio()) == played
