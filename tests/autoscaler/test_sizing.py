"""Tiers from quantiles at lead times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.capacity import RhoMax
from autoscaler.decision import TierCounts
from autoscaler.policy import Policy
from autoscaler.sizing import UNKNOWN_LAUNCH_S, launch_lead_s, lead_s, newsvendor_tau, size
from runtime.pool import LeadTime
from runtime.replica import Tier
from tests.autoscaler.cases import AUTO, POOL, SHARED, forecast, state

RHO = RhoMax(0.5, "tpot", {})


def test_measured_lead_times_come_before_the_pools_own() -> None:
    assert lead_s(Tier.COLD, state()) == 180.0
    assert lead_s(Tier.COLD, state(lead_times={Tier.COLD: LeadTime(60, 90)})) == 90.0
    assert lead_s(Tier.WARM_NODE, state()) is None


def test_a_held_warm_node_shortens_the_launch() -> None:
    pool = replace(POOL, lead_times={**POOL.lead_times, Tier.WARM_NODE: LeadTime(30, 40)})
    assert launch_lead_s(state(pool=pool)) == 180.0
    assert launch_lead_s(state(pool=pool, counts=TierCounts(active=4, warm_node=1))) == 40.0
    assert launch_lead_s(state(pool=replace(POOL, lead_times={}))) == UNKNOWN_LAUNCH_S


def test_newsvendor() -> None:
    assert newsvendor_tau(100, 5) == pytest.approx(0.952381)


def test_dedicated_gpus_hold_everything_active() -> None:
    sizing = size(forecast(3.0), state(), AUTO, RHO, 15.0)
    assert sizing.fast is None and sizing.spare == 0
    assert sizing.slow.lead_s == 195.0 and sizing.slow.tau == pytest.approx(100 / 105)
    assert sizing.active == sizing.slow.replicas


def test_shared_gpus_split_by_lead_time() -> None:
    sizing = size(forecast(6.0, spread=0.5), state(pool=SHARED), AUTO, RHO, 15.0)
    assert sizing.fast is not None and sizing.fast.lead_s == 16.0
    assert sizing.slow.tau == pytest.approx(min(0.99, 100 / 101.5))
    assert sizing.active == sizing.fast.replicas
    assert sizing.active + sizing.spare == sizing.slow.replicas


def test_what_standby_may_not_hold_is_held_active() -> None:
    policy = Policy.model_validate({"standby": {"max": 1}})
    wide = size(forecast(20.0, spread=0.0), state(pool=SHARED), policy, RHO, 15.0)
    assert wide.spare == 1
    assert wide.active == wide.slow.replicas - 1


def test_the_policy_may_ask_for_spares_on_dedicated_gpus() -> None:
    policy = Policy.model_validate({"standby": {"min": 2}})
    assert size(forecast(3.0), state(), policy, RHO, 15.0).spare == 2


def test_a_tier_that_the_pool_lacks_is_not_used() -> None:
    pool = replace(SHARED, lead_times={Tier.COLD: LeadTime(60, 90)})
    assert size(forecast(3.0), state(pool=pool), AUTO, RHO, 15.0).spare == 0


def test_headroom_multiplies_and_tau_is_cut_to_the_forecast() -> None:
    careful = Policy.model_validate({"risk": {"headroom": 1.5, "shortage_usd_per_replica_hour": 1e6}})
    sizing = size(forecast(3.0), state(), careful, RHO, 15.0)
    assert sizing.slow.tau == 0.99
    assert sizing.slow.erlangs == pytest.approx(1.5 * forecast(3.0).quantile(195.0, 0.99))


def test_a_pool_that_only_sleeps_starts_by_waking() -> None:
    resident = replace(POOL, lead_times={Tier.ASLEEP: LeadTime(2.0, 4.0)})
    assert launch_lead_s(state(pool=resident)) == 4.0
    assert launch_lead_s(state(pool=replace(POOL, lead_times={}))) == UNKNOWN_LAUNCH_S
