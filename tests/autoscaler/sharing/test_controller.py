"""One decision for a rack from those of its services: theirs are claims, and without their consent nothing is moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autoscaler.controller import Look, Mind, consider
from autoscaler.decision import Plan
from autoscaler.policy import Mode, Policy
from autoscaler.safety.overrides import FLEET, Kind, Override
from autoscaler.sharing.controller import COMPARE_EVERY_S, ConsideredRack, Member, RackMind, consider_rack, in_rack
from autoscaler.sharing.rack import RackPolicy, RackState
from autoscaler.store.codec import decode, encode
from collectors.observation import Scrape
from forecasting.forecaster import Forecaster
from runtime.fleet import PoolTarget, RackView
from runtime.pool import LeadTime
from runtime.rack import Rack
from runtime.replica import Tier
from tests.autoscaler.cases import NOW_S, POOL, state

RACK = Rack("h100", POOL.gpu, POOL.price_usd_per_gpu_hour, 8, 64, LeadTime(120.0, 180.0), lent_share=0.2)
SLEEPER = replace(POOL, lead_times={Tier.ASLEEP: LeadTime(3.0, 6.0)}, gpus_per_replica=2)


def member(name: str, mode: Mode = Mode.AUTO, at_s: float = NOW_S, overrides: Sequence[Override] = ()) -> Member:
    """A service that nobody has seen yet and that keeps its one replica."""
    pool = replace(SLEEPER, service=name)
    policy = Policy.model_validate({"mode": mode, "replicas": {"min": 1, "max": 8}})
    control = replace(state(), service=name, pool=pool, overrides=tuple(overrides))
    mind = Mind(Forecaster(name))
    done = consider(control, policy, mind, Look(at_s, (), (), Scrape(at_s, {})), None)
    return Member(done, policy, mind.forecaster)


def test_what_services_want_awake_is_held_and_nothing_given_back_on_what_is_not_seen() -> None:
    done = consider_rack(RACK, RackPolicy(), RackState(8), RackMind(), [member("a"), member("b")], NOW_S, 15.0)
    wanted = sum(2 * m.done.decision.plan.targets[0].active for m in (member("a"), member("b")))
    assert done.found.active == wanted and not done.found.known
    assert (done.decision.gpus, done.decision.act) == (max(8, wanted), True)


def test_with_one_service_in_shadow_nothing_is_asked_for() -> None:
    told = RackView("h100", wanted=3, held=3, ordered=0, used=2)
    members = [member("a"), member("b", Mode.SHADOW)]
    done = consider_rack(RACK, RackPolicy(min_gpus=20), RackState(8), RackMind(), members, NOW_S, 15.0, told)
    assert (done.decision.gpus, done.decision.act) == (20, False)
    assert done.state.gpus == done.decision.next_state.gpus == 3
    assert "3 -> 20" in done.decision.sentence


def test_services_are_compared_once_an_hour() -> None:
    mind = RackMind()
    for at_s, compared_s in ((NOW_S, NOW_S), (NOW_S + 60, NOW_S), (NOW_S + COMPARE_EVERY_S, NOW_S + COMPARE_EVERY_S)):
        consider_rack(RACK, RackPolicy(), RackState(8), mind, [member("a"), member("b")], at_s, 15.0)
        assert mind.compared_s == compared_s


def test_nobody_is_put_to_sleep_where_all_sleep_anyway() -> None:
    plan = Plan((PoolTarget("a", "pool", 2, standby=1, asleep=3, warm_node=1, avoid=("a-1",)),))
    assert in_rack(plan).targets == (PoolTarget("a", "pool", 2, standby=1, avoid=("a-1",)),)


def frozen(service: str) -> Override:
    return Override("o", service, Kind.FREEZE, None, NOW_S - 60, NOW_S + 600, "ann", "incident 7")


def test_a_freeze_of_the_fleet_holds_the_rack_and_replays() -> None:
    members = [member(name, overrides=[frozen(FLEET)]) for name in ("a", "b")]
    done = consider_rack(RACK, RackPolicy(min_gpus=20), RackState(8), RackMind(), members, NOW_S, 15.0)
    assert (done.decision.gpus, done.decision.binding, done.decision.act) == (8, "freeze", True)
    assert "nothing may change for 10 min more, says ann (incident 7)" in done.decision.sentence
    assert decode(ConsideredRack, encode(done)).again() == done.decision


def test_a_freeze_of_one_service_leaves_the_rack_to_the_others() -> None:
    members = [member("a", overrides=[frozen("a")]), member("b")]
    done = consider_rack(RACK, RackPolicy(min_gpus=20), RackState(8), RackMind(), members, NOW_S, 15.0)
    assert (done.decision.gpus, done.frozen) == (20, None)
