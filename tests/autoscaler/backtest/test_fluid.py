"""The fluid model keeps its own books, and its compiled rules are the daemon's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.backtest.case import Case, work_ms
from autoscaler.backtest.fluid import Fluid, Proportional, Quantile
from autoscaler.backtest.fluid_kernel import _guarded, _latency_need, _replicas_for
from autoscaler.backtest.fluid_load import requests, work_done
from autoscaler.backtest.fluid_outlook import Outlook, foresee
from autoscaler.capacity import STAFFING_BETA, RhoMax, replicas_for
from autoscaler.decision import TierCounts
from autoscaler.policy import Mode, Policy, Reactive
from autoscaler.safety import guardrails
from autoscaler.safety.guardrails import Facts
from autoscaler.safety.reactive import latency_need
from autoscaler.sizing import newsvendor_tau
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime
from runtime.replica import Tier
from runtime.traces import Trace
from tests.autoscaler.cases import POOL, forecast, state

DEDICATED = replace(POOL, lead_times={Tier.COLD: LeadTime(60.0, 60.0)})
POLICY = Policy.model_validate({"mode": Mode.AUTO, "replicas": {"min": 1, "max": 20}})


def case_of(rates: list[float], minutes: float = 10.0, inputs: int = 1500, outputs: int = 200) -> Case:
    """Evenly spaced equal requests, at each of the rates for so many minutes."""
    spans = [np.arange(0, minutes * 60, 1 / rate) + i * minutes * 60 for i, rate in enumerate(rates)]
    arrival_s = np.concatenate(spans)
    lengths = (np.full(len(arrival_s), length, np.int32) for length in (inputs, outputs))
    return Case("chat", DEDICATED, POLICY, Trace("even", arrival_s, *lengths), 0.0)


@pytest.fixture(scope="module")
def even() -> tuple[Case, Outlook]:
    """Twenty minutes of 10 requests a second, then twenty of 30."""
    case = case_of([10.0, 30.0], 20.0)
    return case, foresee(case)


def test_the_daemon_would_see_the_load_that_is_there(even: tuple[Case, Outlook]) -> None:
    case, outlook = even
    erlangs = work_ms(case.pool, case.trace)[0] / 1000
    assert outlook.seen_erlangs[40] == pytest.approx(10 * erlangs, rel=0.02)
    assert outlook.seen_erlangs[-5] == pytest.approx(30 * erlangs, rel=0.02)
    assert outlook.rho[40] == pytest.approx(case.rho().value)


def test_nothing_is_foreseen_before_anything_is_seen(even: tuple[Case, Outlook]) -> None:
    assert np.isnan(even[1].forecast[0]).all()
    assert np.isfinite(even[1].forecast[1:]).all()


def test_the_past_is_known_from_the_first_tick() -> None:
    case = case_of([10.0], 5.0)
    times = np.arange(-7200.0, 0.0, 60.0)
    restless = np.where(np.arange(len(times)) % 2 == 0, 1.0, 9.0)
    wide = foresee(replace(case, past=(times, restless))).forecast[1]
    assert wide[-1, -1] > 2 * foresee(case).forecast[1][-1, -1]


@given(st.floats(1, 5000))
def test_a_lead_time_is_read_as_a_forecast_reads_it(lead_s: float) -> None:
    made = forecast(5.0)
    ones = np.ones(1)
    outlook = Outlook(15.0, ones, ones, ones, made.horizons_s, made.taus, np.array(made.values)[None])
    expected = [made.quantile(lead_s, tau) for tau in made.taus]
    assert outlook.at_lead(lead_s)[0] == pytest.approx(expected)


def test_work_is_poured_out_whole() -> None:
    case = case_of([7.0])
    poured = work_done(replace(case, trace=_ending(case.trace)), 3.0, 0.02).sum() * 3.0
    assert poured == pytest.approx(work_ms(case.pool, case.trace).sum() / 1000, rel=1e-3)


def _ending(trace: Trace) -> Trace:
    """The trace with a tiny request long after it, so that everything before has been served."""
    tail = (trace.arrival_s[-1] + 600, 1, 1)
    columns = (trace.arrival_s, trace.input_tokens, trace.output_tokens)
    return Trace("ended", *(np.append(column, value) for column, value in zip(columns, tail, strict=True)))


def test_a_prompt_too_long_for_the_target_is_late_on_any_fleet() -> None:
    long = case_of([1.0], inputs=40_000)  # 2.7 s of prefill against 2 s
    arrived, able = requests(long, 3.0, 0.02)
    assert arrived.sum() == long.trace.requests
    assert able.sum() == 0
    assert Fluid(long, foresee(long)).estimate(Quantile(0.9)).attainment == 0


def test_a_steady_load_is_carried_by_the_fleet_it_starts_with() -> None:
    case = case_of([10.0], 30.0)
    estimate = Fluid(case, foresee(case)).estimate(Proportional(target_erlangs=0.55))
    assert estimate.attainment > 0.999
    assert estimate.replica_s == pytest.approx(case.first_replicas() * 1800, rel=0.01)
    assert estimate.scale_ups == estimate.scale_downs == 0


def test_a_longer_start_loses_more(even: tuple[Case, Outlook]) -> None:
    case, outlook = even
    slow = replace(case, pool=replace(DEDICATED, lead_times={Tier.COLD: LeadTime(300.0, 300.0)}))
    rule = Quantile(0.5)
    quick, late = (Fluid(c, outlook).estimate(rule).attainment for c in (case, slow))
    assert late < quick < 1


def test_headroom_is_paid_for(even: tuple[Case, Outlook]) -> None:
    fluid = Fluid(*even)
    costs = [fluid.estimate(Quantile(0.5, headroom)).replica_s for headroom in (1.0, 1.5, 2.0)]
    assert costs == sorted(costs) and costs[0] < costs[-1]


def test_a_start_is_billed_from_its_beginning() -> None:
    case = case_of([10.0, 30.0], 20.0)
    never = replace(case, pool=replace(DEDICATED, lead_times={Tier.COLD: LeadTime(1e5, 1e5)}))
    estimate = Fluid(never, foresee(case)).estimate(Proportional(0.5))
    assert estimate.attainment < 0.6
    assert estimate.replica_s > case.first_replicas() * 2400 * 1.3


@pytest.mark.parametrize("rule", [Quantile(0.9, 0.9), Proportional(0.5)])
def test_bounds_hold(even: tuple[Case, Outlook], rule: Quantile | Proportional) -> None:
    case, outlook = even
    fixed = case.policy.model_copy(update={"replicas": case.policy.replicas.model_copy(update={"min": 3, "max": 3})})
    estimate = Fluid(replace(case, policy=fixed), outlook).estimate(rule)
    assert estimate.replica_s == pytest.approx(3 * 2400, rel=0.01)
    assert estimate.scale_ups == estimate.scale_downs == 0


def test_a_setting_is_what_the_policy_says() -> None:
    policy = Policy.model_validate({"risk": {"headroom": 1.3}, "scale_in": {"window_s": 120, "max_step": 5}})
    rule = Quantile.of(policy, DEDICATED)
    assert rule.tau == newsvendor_tau(100.0, DEDICATED.replica_usd_per_hour)
    assert (rule.headroom, rule.window_s, rule.step_in) == (1.3, 120, 5)


def test_bins_that_do_not_fit_are_refused(even: tuple[Case, Outlook]) -> None:
    with pytest.raises(ValueError, match="do not divide"):
        Fluid(*even, bin_s=4.0)


# --- the compiled rules are the daemon's ---------------------------------------------------------------------------

counts = st.integers(0, 30)


@given(st.floats(0, 60), st.floats(0.05, 0.95), st.just(0.0) | st.floats(0.1, 200))
def test_replicas_for(erlangs: float, rho: float, per_erlang: float) -> None:
    expected = replicas_for(erlangs, RhoMax(rho, "tpot", {}, per_erlang or None))
    assert _replicas_for(erlangs, rho, per_erlang, STAFFING_BETA) == expected


@given(st.floats(0, 2), counts, counts, st.floats(0.5, 1.5), st.floats(0.1, 1))
def test_latency_need(ratio: float, active: int, launching: int, out: float, share: float) -> None:
    policy = POLICY.model_copy(update={"reactive": Reactive(scale_out_above=out, scale_in_below=out * share)})
    knobs = Quantile.of(policy, DEDICATED).knobs(15.0)
    expected = latency_need(ratio, TierCounts(active=active, launching=launching), policy)
    assert _latency_need(ratio, active, active + launching, knobs) == expected


@given(st.integers(0, 40), counts, st.integers(0, 40), st.integers(0, 10))
def test_guardrails(need: int, current: int, earlier: int, ticks_ago: int) -> None:
    case = case_of([10.0], 1.0)
    terms = Fluid(case, foresee(case))._terms
    knobs = Quantile.of(POLICY, DEDICATED).knobs(15.0)
    desired = PoolTarget("chat", DEDICATED.name, current)
    known = state(current, pool=DEDICATED, desired=desired, last_scale_in_s=1000.0 - ticks_ago * 15.0)
    known = replace(known, started_at_s=0.0)
    facts = Facts(1000.0, current, 0, None, ((990.0, earlier), (1000.0, need)), known, POLICY)
    expected = guardrails.apply(need, "load", facts)[0]
    assert _guarded(need, max(need, earlier), current, ticks_ago, terms, knobs) == expected
