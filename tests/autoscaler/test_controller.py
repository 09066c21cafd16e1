"""The controller's steps: who is looked at, what makes the look worthless, what is learnt, what is carried on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.controller import Considered, Look, Mind, consider
from autoscaler.decide import decide
from autoscaler.decision import ControlState, TierCounts
from collectors.observation import Gap, GatewaySample, Histogram, ReplicaSample, Scrape
from forecasting.forecaster import Forecaster
from runtime.fleet import LeadTimeSample
from runtime.replica import Replica, Tier, Transition
from tests.autoscaler.cases import AUTO, NOW_S, POOL, state

INTERVAL_S = 15.0


def replica(index: int, tier: Tier = Tier.ACTIVE, transition: Transition | None = None, of: str = "chat") -> Replica:
    name = f"{of}-{index}"
    return Replica(name, of, POOL.name, tier, transition, NOW_S - 600, f"http://{name}", "node-0", (f"GPU-{index}",))


def sample(name: str, at_s: float, served: float) -> ReplicaSample:
    """An engine that has served so many requests of 1,000 and 200 tokens."""
    return ReplicaSample(
        name,
        at_s,
        running=4.0,
        waiting=0.0,
        kv_usage_ratio=0.2,
        input_tokens=1000 * served,
        cached_tokens=0.0,
        output_tokens=200 * served,
        completed=served,
        aborted=0.0,
        preemptions=0.0,
        rejected=0.0,
    )


def scrape(at_s: float, served: float, *names: str) -> Scrape:
    gateway = {"chat": GatewaySample("chat", at_s, held=0.0, rejected=0.0)}
    return Scrape(at_s, {name: sample(name, at_s, served) for name in names}, gateway=gateway)


def look(at_s: float, served: float, *replicas: Replica, **changes: object) -> Look:
    """A look at these replicas, of which every one answers."""
    names = [r.name for r in replicas]
    base = Look(at_s, replicas, (), scrape(at_s, served, *names))
    return replace(base, **changes)  # type: ignore[arg-type]


def mind() -> Mind:
    return Mind(Forecaster("chat"))


TWO = (replica(0), replica(1))
BEFORE = scrape(NOW_S - INTERVAL_S, 0.0, "chat-0", "chat-1")


def considered(own: Mind | None = None, served: float = 60.0, **changes: object) -> Considered:
    """One tick at which two replicas served so many requests each since the last, 15 s ago."""
    return consider(state(2), AUTO, own or mind(), look(NOW_S, served, *TWO, **changes), BEFORE)


def test_the_steps_lead_from_a_look_to_a_decision() -> None:
    """Two replicas that served 60 requests each in 15 s: 8 a second of 89.7 ms of work, 0.72 erlangs."""
    result = considered()
    assert result.observation.valid
    assert result.observation.arrivals_per_s == pytest.approx(8.0)
    assert result.decision.offered_erlangs == pytest.approx(8 * POOL.step.work_ms(1000, 200) / 1000)
    assert result.forecast is not None and result.forecast.made_at_s == NOW_S
    assert result.lengths.mean_output_tokens == pytest.approx(200.0)


def test_the_decision_is_that_of_what_it_was_made_from() -> None:
    result = considered()
    assert decide(result.observation, result.forecast, result.state, AUTO, NOW_S) == result.decision


def test_other_services_replicas_are_not_ours() -> None:
    other = replica(7, of="code")
    result = consider(state(2), AUTO, mind(), look(NOW_S, 60.0, *TWO, other), BEFORE)
    assert result.replicas == TWO
    assert result.observation.replicas_expected == 2
    assert result.state.counts == TierCounts(active=2)


def test_only_those_that_should_answer_are_missed() -> None:
    coming, failed = replica(2, transition=Transition.LAUNCHING), replica(3, transition=Transition.FAILED)
    seen = look(NOW_S, 60.0, *TWO, coming, failed, scrape=scrape(NOW_S, 60.0, "chat-0", "chat-1"))
    result = consider(state(2), AUTO, mind(), seen, BEFORE)
    assert result.observation.valid and result.observation.gaps == ()
    assert result.state.counts == TierCounts(active=2, launching=1, failed=1)


def test_a_fleet_that_does_not_answer_makes_the_observation_worthless() -> None:
    trouble = Gap("fleet", "no answer (connection refused)")
    result = considered(trouble=trouble)
    assert not result.observation.valid
    assert result.observation.gaps[0] == trouble
    assert result.decision.plan.targets[0].active >= 2


def test_what_is_not_valid_teaches_the_forecaster_nothing() -> None:
    own = mind()
    assert considered(own, trouble=Gap("fleet", "no answer")).forecast is None
    assert considered(own).forecast is not None


def test_the_first_look_has_nothing_to_compare_with() -> None:
    result = consider(state(2), AUTO, mind(), look(NOW_S, 60.0, *TWO), None)
    assert not result.observation.valid
    assert result.forecast is None


def test_measured_lead_times_move_the_pools_own() -> None:
    measured = tuple(LeadTimeSample(POOL.name, Tier.COLD, 300.0, NOW_S - i) for i in range(20))
    result = considered(lead_times=measured)
    assert POOL.lead_times[Tier.COLD].p50_s < result.state.lead_times[Tier.COLD].p50_s <= 300.0
    assert result.state.lead_times[Tier.ASLEEP] == POOL.lead_times[Tier.ASLEEP]


@given(st.lists(st.floats(0, 400), min_size=2, max_size=12))
def test_carried_on_from_tick_to_tick_the_same_looks_give_the_same_decisions(served: list[float]) -> None:
    def decisions() -> list[object]:
        own, control, previous, total, made = mind(), state(2), BEFORE, 0.0, list[object]()
        for index, more in enumerate(served):
            total += more
            seen = look(NOW_S + INTERVAL_S * index, total, *TWO)
            result = consider(control, AUTO, own, seen, previous)
            control, own.lengths, previous = result.decision.next_state, result.lengths, seen.scrape
            made.append(result.decision)
        return made

    assert decisions() == decisions()


def busy(at_s: float, seconds: float, step_ms: float) -> Scrape:
    """Two engines that decode 20 sequences of 1,500 tokens and nothing else, in steps of so many ms."""
    steps = 1000 * seconds / step_ms

    def one(name: str) -> ReplicaSample:
        itl = Histogram((float("inf"),), (20 * steps,), 20 * seconds)
        more = {"running": 20.0, "kv_usage_ratio": 30_000 / POOL.kv_tokens, "iterations": steps, "itl": itl}
        return replace(sample(name, at_s, 100.0), **more)  # type: ignore[arg-type]

    gateway = {"chat": GatewaySample("chat", at_s, held=0.0, rejected=0.0)}
    return Scrape(at_s, {name: one(name) for name in ("chat-0", "chat-1")}, gateway=gateway)


def carried(own: Mind, control: ControlState, ticks: int = 12) -> Considered:
    """After so many ticks with steps 1.3 times as long as the law says."""
    step_ms = 1.3 * POOL.step.step_ms(20, 30_000, 0)
    for tick in range(ticks):
        at_s, seconds = NOW_S + INTERVAL_S * tick, INTERVAL_S * (tick + 1)
        previous = busy(at_s - INTERVAL_S, seconds - INTERVAL_S, step_ms)
        seen = look(at_s, 0.0, *TWO, scrape=busy(at_s, seconds, step_ms))
        result = consider(control, AUTO, own, seen, previous)
        control, own.lengths = result.decision.next_state, result.lengths
    return result


def test_replicas_that_are_slower_than_their_pool_s_entry_carry_less() -> None:
    result = carried(mind(), state(2))
    assert result.state.learned is not None and result.state.learned.taken == 2
    assert result.state.learned.factors[0] == pytest.approx(1.3, abs=0.05)
    assert result.decision.rho_max_configured is not None
    assert result.decision.rho_max < 0.9 * result.decision.rho_max_configured
    assert decide(result.observation, result.forecast, result.state, AUTO, result.decision.at_s) == result.decision


def test_a_mind_that_does_not_learn_keeps_to_the_entry() -> None:
    own = mind()
    own.learns = False
    result = carried(own, state(2), 2)
    assert result.state.learned is None and result.decision.rho_max_configured is None


def test_replicas_that_do_not_serve_teach_nothing() -> None:
    standing = replica(1, Tier.STANDBY)
    step_ms = POOL.step.step_ms(20, 30_000, 0)
    seen = look(NOW_S, 0.0, replica(0), standing, scrape=busy(NOW_S, 15.0, step_ms))
    result = consider(state(1), AUTO, mind(), seen, busy(NOW_S - INTERVAL_S, 0.0, step_ms))
    assert result.state.learned is not None
    assert (result.state.learned.taken, result.state.learned.refused) == (1, ())
