"""A candidate's ticks: the live policy's twin never disagrees, and the more careful cost more and attain no less."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.attainment import sample
from autoscaler.decide import decide
from autoscaler.decision import Branch, ControlState, TierCounts
from autoscaler.policy import Mode, Policy
from autoscaler.shadow.fleet import arrived, beginning, follow
from autoscaler.shadow.report import report
from autoscaler.shadow.run import DIFFERENCES, Shadow, Tick, begin, step
from autoscaler.store.codec import decode, encode
from collectors.observation import Histogram
from tests.autoscaler.cases import AUTO, NOW_S, POOL, forecast, observation, state

TICK_S = 15.0
WIDE = Policy.model_validate(AUTO.model_dump() | {"replicas": {"min": 1, "max": 40}})


def with_(policy: Policy, **sections: dict[str, float]) -> Policy:
    changed = {name: getattr(policy, name).model_copy(update=values) for name, values in sections.items()}
    return policy.model_copy(update=changed)


@dataclass
class Live:
    """A live controller over a fleet that obeys as the virtual one does; ``rates`` are its requests per second."""

    policy: Policy
    rates: list[float]

    def play(self, candidate: Policy, valid: bool = True) -> Shadow:
        known: ControlState = state(3)
        fleet = beginning(known.counts, POOL, NOW_S)
        shadow = begin(1, candidate, "ada", "try it", known, 1, NOW_S)
        for i, rate in enumerate(self.rates):
            at_s = NOW_S + TICK_S * (i + 1)
            seen = observation(at_s=at_s, arrivals_per_s=rate, completed_per_s=rate, valid=valid)
            told = forecast(rate * 0.144)
            fleet = arrived(fleet, at_s)
            known = replace(known, counts=fleet.counts())
            done = decide(seen, told, known, self.policy, at_s)
            shadow = step(shadow, Tick(seen, told, known, done, self.policy, 1), longest_s=60.0)
            known, fleet = done.next_state, follow(fleet, done.plan.targets[0], POOL, at_s)
        return shadow


loads = st.lists(st.floats(0, 60), min_size=2, max_size=40)


@given(loads, st.sampled_from([Mode.AUTO, Mode.SHADOW]))
def test_the_live_policys_twin_never_disagrees(rates: list[float], mode: Mode) -> None:
    twin = WIDE.model_copy(update={"mode": mode})
    tally = Live(WIDE, rates).play(twin).tally
    assert tally.live == tally.candidate
    assert tally.more_s == tally.fewer_s == 0 and tally.differences == ()


@given(loads, st.floats(1.05, 2.0))
def test_more_headroom_costs_no_less_and_attains_no_less(rates: list[float], headroom: float) -> None:
    tally = Live(WIDE, rates).play(with_(WIDE, risk={"headroom": headroom})).tally
    assert tally.candidate.gpu_s >= tally.live.gpu_s
    assert tally.candidate.in_time >= tally.live.in_time - 1e-6
    assert tally.fewer_s == 0


@given(loads)
def test_all_time_is_accounted_for(rates: list[float]) -> None:
    tally = Live(WIDE, rates).play(with_(WIDE, risk={"headroom": 1.5})).tally
    assert tally.both_s == pytest.approx(TICK_S * len(rates))
    assert tally.more_s + tally.fewer_s <= tally.both_s
    assert len(tally.differences) <= DIFFERENCES
    assert tally.estimated == pytest.approx(TICK_S * sum(rates))


def test_a_tight_candidate_is_estimated_to_be_late() -> None:
    shadow = Live(WIDE, [60.0] * 60).play(with_(WIDE, replicas={"max": 3}))
    told = report(shadow)
    assert told.candidate.attainment_estimate is not None and told.live.attainment_estimate is not None
    assert told.candidate.attainment_estimate < 0.2 < told.live.attainment_estimate
    assert told.candidate.cost_usd < told.live.cost_usd
    assert "less" in told.sentence and "disagreed in" in told.sentence


def test_a_stretch_of_disagreement_is_told_once_by_its_widest_moment() -> None:
    shadow = Live(WIDE, [8.0] * 4 + [30.0] * 20).play(with_(WIDE, replicas={"max": 3}))
    (difference,) = shadow.tally.differences
    assert difference.candidate_active == 3
    assert difference.live_active == max(difference.live_active, 8)
    assert difference.live_sentence != difference.candidate_sentence
    assert shadow.tally.fewer_s > 0 and shadow.tally.more_s == 0


def test_what_is_not_known_counts_in_money_only() -> None:
    told = report(Live(WIDE, [8.0] * 4).play(WIDE, valid=False))
    assert told.unknown_s == told.both_s == 60.0
    assert told.live.cost_usd > 0 and told.live.attainment_estimate is None
    assert "no load was known" in told.sentence


def test_time_in_which_nobody_decided_is_not_counted() -> None:
    shadow = Live(WIDE, [8.0]).play(WIDE)
    known = shadow.decision
    assert known is not None
    at_s = NOW_S + 3600
    seen = observation(at_s=at_s)
    later = step(shadow, Tick(seen, None, state(3), replace(known, at_s=at_s), WIDE, 2), longest_s=60.0)
    assert (later.tally.both_s, later.tally.missed_s, later.live_version) == (15.0, 3585.0, 2)


def test_the_live_fleet_is_measured() -> None:
    shadow = Live(WIDE, [8.0]).play(WIDE)
    known = shadow.decision
    assert known is not None
    at_s = NOW_S + 2 * TICK_S
    ttft = Histogram((1.0, 2.0, float("inf")), (60.0, 90.0, 120.0), 200.0)
    seen = observation(at_s=at_s, ttft=ttft)
    measured = sample(seen, WIDE.slo)
    assert measured is not None and measured.late == pytest.approx(30.0)
    told = report(step(shadow, Tick(seen, None, state(3), replace(known, at_s=at_s), WIDE, 1), longest_s=60.0))
    assert told.live.attainment_measured == pytest.approx(0.75)
    assert told.candidate.attainment_measured is None
    assert "(measured 75.00%)" in told.sentence


def test_a_candidate_survives_a_restart_to_the_bit() -> None:
    live = Live(WIDE, [8.0, 20.0, 40.0])
    shadow = live.play(with_(WIDE, risk={"headroom": 1.5}))
    assert decode(Shadow, encode(shadow)) == shadow


def test_before_the_first_tick_there_is_nothing_to_say() -> None:
    assert "Nothing to compare yet" in report(begin(1, WIDE, "ada", "try it", state(3), 1, NOW_S)).sentence


def test_several_pools_are_counted_in_replicas_of_the_first() -> None:
    spot = Branch(replace(POOL, name="spot"), TierCounts(active=4), worth=0.5)
    given = state(2, more=(spot,))
    seen, told = observation(), forecast(1.0)
    done = decide(seen, told, given, WIDE, NOW_S + TICK_S)
    shadow = begin(1, WIDE, "ada", "try it", given, 1, NOW_S)
    assert shadow.fleet.active == 4
    shadow = step(shadow, Tick(replace(seen, at_s=NOW_S + TICK_S), told, given, done, WIDE, 1), longest_s=60.0)
    assert shadow.decision is not None and len(shadow.decision.plan.targets) == 1
    assert shadow.tally.live.gpu_s > 0


def test_a_sick_replica_of_the_real_fleet_is_not_the_candidates() -> None:
    sick = replace(state(3).counts, active=2, sick=1)
    given = state(3, counts=sick)
    done = decide(observation(at_s=NOW_S + TICK_S), forecast(1.0), given, WIDE, NOW_S + TICK_S)
    tick = Tick(observation(at_s=NOW_S + TICK_S), forecast(1.0), given, done, WIDE, 1)
    tally = step(begin(1, WIDE, "ada", "try it", state(3), 1, NOW_S), tick, longest_s=60.0).tally
    assert tally.live.gpu_s == tally.candidate.gpu_s == 3 * POOL.gpus_per_replica * TICK_S
