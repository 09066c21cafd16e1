"""Observations of a service, from scrapes of a fleet that one can reckon by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.aggregate import LengthMemory, observe
from collectors.observation import Gap, GatewaySample, Histogram, Observation, ReplicaSample, Scrape
from tests.collectors.samples import sample, scrape

NAMES = [f"r{n}" for n in range(10)]
BOUNDS = (0.1, 1.0, math.inf)


def fleet(at_s: float, names: list[str] = NAMES, **changes: Any) -> list[ReplicaSample]:
    return [sample(name, at_s, **changes) for name in names]


def seen(
    previous: Scrape | None, current: Scrape, expected: list[str] = NAMES, lengths: LengthMemory | None = None
) -> Observation:
    return observe("chat", expected, previous, current, lengths or LengthMemory())[0]


def test_demand_is_completed_and_growth_of_all_that_waits() -> None:
    before = scrape(0, *fleet(0), held=5, rejected=2)
    after = scrape(10, *fleet(10, completed=20, aborted=1, running=2, waiting=1, rejected=1), held=15, rejected=12)
    observation = seen(before, after)
    assert observation.valid and observation.gaps == ()
    assert observation.interval_s == 10
    assert observation.arrivals_per_s == pytest.approx((10 * (20 + 1 + 2 + 1 + 1) + 10 + 10) / 10)
    assert observation.rejected_per_s == pytest.approx((10 * 1 + 10) / 10)
    assert observation.completed_per_s == pytest.approx(20)
    assert observation.held == 15


def test_gauges_are_of_the_end() -> None:
    observation = seen(scrape(0, *fleet(0)), scrape(10, *fleet(10, running=2)))
    assert (observation.running, observation.waiting) == (120, 20)
    assert (observation.replicas_seen, observation.replicas_expected) == (10, 10)


def test_usage_leaves_out_who_sleeps() -> None:
    awake, asleep = sample("a", 10, kv_usage_ratio=0.3), sample("b", 10, kv_usage_ratio=-0.5, sleeping=True)
    observation = seen(scrape(0, *fleet(0, ["a", "b"])), scrape(10, awake, asleep), ["a", "b"])
    assert (observation.kv_usage_ratio, observation.kv_usage_max_ratio) == (0.8, 0.8)


def test_a_shrinking_fleet_has_no_negative_demand() -> None:
    observation = seen(scrape(0, *fleet(0)), scrape(10, *fleet(10, running=-10)))
    assert observation.arrivals_per_s == 0.0


def test_the_first_scrape_knows_no_rates() -> None:
    observation = seen(None, scrape(10, *fleet(10)))
    assert not observation.valid
    assert (observation.interval_s, observation.arrivals_per_s, observation.completed_per_s) == (0, None, None)
    assert observation.running == 100, "what is true now is known"


def test_the_same_moment_twice_is_no_interval() -> None:
    observation = seen(scrape(10, *fleet(10)), scrape(10, *fleet(10)))
    assert not observation.valid
    assert observation.arrivals_per_s is None


@pytest.mark.parametrize(("missing", "valid"), [(1, True), (2, True), (3, False), (10, False)])
def test_how_many_may_be_missing(missing: int, valid: bool) -> None:
    gone = tuple(NAMES[:missing])
    after = scrape(10, *fleet(10, NAMES[missing:], completed=20), missing=gone)
    observation = seen(scrape(0, *fleet(0)), after)
    assert observation.valid is valid
    assert {gap.subject for gap in observation.gaps} == set(gone)
    assert observation.replicas_seen == 10 - missing


def test_a_missing_number_is_not_a_zero() -> None:
    whole = seen(scrape(0, *fleet(0)), scrape(10, *fleet(10, completed=20)))
    part = seen(scrape(0, *fleet(0)), scrape(10, *fleet(10, NAMES[2:], completed=20)))
    assert part.valid
    assert part.arrivals_per_s == pytest.approx(whole.arrivals_per_s)
    assert part.running == pytest.approx(whole.running)


def test_an_invalid_sum_is_a_lower_bound() -> None:
    observation = seen(scrape(0, *fleet(0)), scrape(10, *fleet(10, NAMES[:2], completed=20)))
    assert not observation.valid
    assert observation.arrivals_per_s == pytest.approx(2 * 20 / 10)


def test_replicas_not_read_again_are_not_missing() -> None:
    before = [sample(name, -5) for name in NAMES]
    after = [sample(name, 5, completed=20) for name in NAMES[:5]] + before[5:]
    observation = seen(scrape(0, *before), scrape(10, *after))
    assert observation.valid
    assert observation.completed_per_s == pytest.approx(10 * 2), "the five that were read stand for the others"
    assert not seen(scrape(0, *before), scrape(10, *before)).valid, "nothing new at all is no interval"


def test_nothing_seen_is_nothing_known() -> None:
    observation = seen(scrape(0, *fleet(0)), scrape(10))
    assert not observation.valid
    assert observation.arrivals_per_s is None and observation.running is None


def test_standby_replicas_bring_no_load() -> None:
    idle = [ReplicaSample(f"s{n}", at_s, running=0, waiting=0, completed=0) for n in range(5) for at_s in (0, 10)]
    before, after = fleet(0) + idle[::2], fleet(10, completed=20) + idle[1::2]
    observation = seen(scrape(0, *before), scrape(10, *after), NAMES + [f"s{n}" for n in range(5)])
    assert observation.valid
    assert observation.arrivals_per_s == pytest.approx(20)


def test_a_service_scaled_to_zero_is_seen_at_the_gateway() -> None:
    observation = seen(scrape(0, held=0, rejected=0), scrape(10, held=7, rejected=3), [])
    assert observation.valid
    assert (observation.arrivals_per_s, observation.held) == (1.0, 7)


def test_a_service_of_which_nothing_is_seen_is_not_valid() -> None:
    assert not seen(scrape(0), scrape(10), []).valid


def test_a_lost_gateway_hides_who_waits() -> None:
    observation = seen(scrape(0, *fleet(0), held=7, rejected=0), scrape(10, *fleet(10)))
    assert not observation.valid
    assert Gap("chat", "gateway not seen") in observation.gaps
    assert observation.held is None


def test_a_gateway_that_stays_lost_stays_a_gap() -> None:
    lost = scrape(10, *fleet(10), missing=("gateway",))
    assert not seen(lost, scrape(20, *fleet(20), missing=("gateway",))).valid


def test_a_gateway_that_restarted_counts_from_zero() -> None:
    observation = seen(scrape(0, held=0, rejected=100), scrape(10, held=0, rejected=5), [])
    assert observation.rejected_per_s == 0.5


def test_arrivals_at_the_gateway_stand_in_for_completions_nobody_counts() -> None:
    before, after = (fleet(at_s, completed=None) for at_s in (0, 10))
    gates = [GatewaySample("chat", at_s, 0, 0, arrived) for at_s, arrived in ((0, 50), (10, 90))]
    scrapes = [
        Scrape(at_s, {s.replica: s for s in samples}, (), {"chat": gate})
        for at_s, samples, gate in ((0, before, gates[0]), (10, after, gates[1]))
    ]
    assert seen(scrapes[0], scrapes[1]).arrivals_per_s == 4.0


def test_the_router_counts_who_kept_the_promise() -> None:
    gates = [GatewaySample("chat", at_s, 0, 0, None, ended, kept) for at_s, ended, kept in ((0, 50, 50), (10, 90, 80))]
    scrapes = [Scrape(gate.at_s, {s.replica: s for s in fleet(gate.at_s)}, (), {"chat": gate}) for gate in gates]
    observation = seen(*scrapes)
    assert (observation.ended_per_s, observation.attained_per_s) == (4.0, 3.0)


def test_a_router_that_does_not_count_says_nothing_of_the_promise() -> None:
    observation = seen(scrape(0, *fleet(0), held=0, rejected=0), scrape(10, *fleet(10), held=0, rejected=0))
    assert observation.ended_per_s is None and observation.attained_per_s is None


def test_gaps_of_others_are_not_ours() -> None:
    after = scrape(10, *fleet(10), missing=("another",))
    assert seen(scrape(0, *fleet(0)), after).gaps == ()


def test_latencies_are_of_the_interval() -> None:
    before = Histogram(BOUNDS, (100.0, 100.0, 100.0), 5.0)
    after = Histogram(BOUNDS, (100.0, 110.0, 110.0), 10.0)
    known = {"ttft": (before, after), "itl": (before, after)}
    scrapes = [scrape(t, *fleet(t, **{n: pair[i] for n, pair in known.items()})) for i, t in ((0, 0), (1, 10))]
    observation = seen(scrapes[0], scrapes[1])
    assert observation.ttft == Histogram(BOUNDS, (0.0, 100.0, 100.0), 50.0)
    assert observation.ttft_s["p50"] == pytest.approx(0.55)
    stood_in = {name: observation.tpot_s[name] for name in observation.ttft_s}
    assert stood_in == observation.ttft_s, "time between tokens stands in for TPOT"
    assert observation.tpot_s["mean"] == 0.5, "over all tokens"


def test_no_request_has_no_latency() -> None:
    still = Histogram(BOUNDS, (1.0, 1.0, 1.0), 0.1)
    observation = seen(scrape(0, *fleet(0, ttft=still)), scrape(10, *fleet(10, ttft=still)))
    assert observation.ttft_s == {}


def test_mean_lengths() -> None:
    after = scrape(10, *fleet(10, completed=8, running=2, input_tokens=5000, output_tokens=1600))
    observation = seen(scrape(0, *fleet(0)), after)
    assert observation.mean_input_tokens == 500, "prompts are counted as they start: 8 + 2 of them"
    assert observation.mean_output_tokens == 200


def test_lengths_come_exactly_from_their_histogram() -> None:
    bounds = (100.0, 200.0, math.inf)
    hists = Histogram(bounds, (0.0, 0.0, 0.0), 0.0), Histogram(bounds, (0.0, 4.0, 4.0), 600.0)
    before, after = (fleet(t, output_lengths=h, completed=c) for t, h, c in ((0, hists[0], 0), (10, hists[1], 9)))
    observation = seen(scrape(0, *before), scrape(10, *after))
    assert observation.mean_output_tokens == 150
    assert observation.output_tokens_second_moment == pytest.approx((100**2 + 100 * 200 + 200**2) / 3)


def test_lengths_forget_over_minutes_of_requests() -> None:
    lengths = LengthMemory(100, 100_000, 100, 10_000)
    after = scrape(300, *fleet(300, completed=10, input_tokens=20_000, output_tokens=2_000))
    observation = seen(scrape(0, *fleet(0)), after, lengths=lengths)
    kept = 100 * math.exp(-1)
    assert observation.mean_input_tokens == pytest.approx((kept * 1000 + 100 * 2000) / (kept + 100))


def test_a_quiet_night_forgets_nothing() -> None:
    lengths = LengthMemory(100, 100_000, 100, 10_000, 100, 2e6)
    observation, kept = observe("chat", NAMES, scrape(0, *fleet(0)), scrape(9e5, *fleet(9e5)), lengths)
    assert kept == lengths
    assert (observation.mean_input_tokens, observation.mean_output_tokens) == (1000, 100)
    assert observation.output_tokens_second_moment == 20_000


def test_no_request_ever_has_no_length() -> None:
    observation = seen(scrape(0, *fleet(0)), scrape(10, *fleet(10)))
    assert observation.mean_input_tokens is None and observation.mean_output_tokens is None


changes = st.fixed_dictionaries(
    {name: st.integers(0, 2000) for name in ("completed", "input_tokens", "output_tokens")}
    | {"running": st.integers(-10, 50), "waiting": st.integers(-2, 50)}
)


@given(st.lists(changes, min_size=10, max_size=10), st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)))
def test_whatever_is_missing_nothing_is_negative_or_silently_zero(
    grown: list[dict[str, int]], before: set[str], after: set[str]
) -> None:
    first = scrape(0, *fleet(0, sorted(before)), missing=tuple(set(NAMES) - before))
    then = [sample(name, 10, **grown[n]) for n, name in enumerate(NAMES) if name in after]
    observation = seen(first, scrape(10, *then, missing=tuple(set(NAMES) - after)))
    assert observation.valid == (len(before & after) >= 8)
    assert (observation.arrivals_per_s is None) == (not before & after)
    assert (observation.arrivals_per_s or 0.0) >= 0.0
    assert {gap.subject for gap in observation.gaps} == set(NAMES) - (before & after)
