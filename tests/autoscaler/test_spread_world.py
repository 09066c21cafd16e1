"""Several pools in a simulated fleet: what serves is never let go before what replaces it serves."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.controller import Look, Mind, consider
from autoscaler.decision import Branch, ControlState, TierCounts
from autoscaler.policy import Policy
from collectors.observation import Scrape
from forecasting.forecaster import Forecaster
from runtime.simulated.samples import scrape
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import mixed, trace, world

POLICY = Policy.model_validate(
    {
        "mode": "auto",
        "slo": {"ttft_s": 5.0, "tpot_s": 0.6},
        "replicas": {"min": 2, "max": 6},
        "risk": {"spot_base": 0.5},
        "scale_in": {"settle_after_restart_s": 0.0, "window_s": 60.0},
    }
)


def played(fleet: World, ticks: int) -> list[list[int]]:
    """Replicas that serve of each pool, after every tick of 15 s."""
    service = fleet.services[0]
    more = tuple(Branch(pool) for pool in service.more_pools)
    control = ControlState("chat", service.pool, TierCounts(), fleet.now_s - 3600, more=more)
    mind, previous, seen = Mind(Forecaster("chat")), None, []
    for _ in range(ticks):
        fleet.run_until(fleet.now_s + 15.0)
        current: Scrape = scrape(fleet)
        look = Look(fleet.now_s, tuple(fleet.view("")), tuple(fleet.replicas.lead_times), current)
        done = consider(control, POLICY, mind, look, previous)
        control, mind.lengths, previous = done.decision.next_state, done.lengths, current
        fleet.set_targets(done.decision.plan.targets)
        serving = [r for r in fleet.replicas.by_name.values() if r.serving]
        seen.append([sum(r.lane.pool.name == pool.name for r in serving) for pool in service.pools])
    return seen


def test_a_cheaper_pool_takes_over_without_a_gap() -> None:
    service = mixed(active=2, price_usd_per_gpu_hour=0.1)
    fleet = world(service, workload=trace(0.2, 900), router="weighted")
    seen = played(fleet, 40)
    assert all(first + second >= 2 for first, second in seen)
    assert seen[0] == [2, 0] and seen[-1][0] == 0 and seen[-1][1] >= 2
    assert fleet.outcomes[0].rejected == 0


def test_a_reclaimed_market_leaves_the_base() -> None:
    fast = mixed(active=2).pool
    spot = replace(fast, name="spot", price_usd_per_gpu_hour=0.5, spot=True)
    fleet = world(replace(mixed(active=2), more_pools=(spot,)), workload=trace(0.2, 1800))
    before = played(fleet, 40)[-1]
    fleet.sold_out("spot", fleet.now_s + 600)
    fleet.reclaim("spot", notice_s=30.0)
    fleet.run_until(fleet.now_s + 60.0)
    assert before[0] >= 1 and before[1] >= 1
    assert sum(r.serving for r in fleet.replicas.by_name.values()) >= 1
