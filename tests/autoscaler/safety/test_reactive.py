"""The reactive floor on worked examples."""

from __future__ import annotations

import pytest

from autoscaler.capacity import RhoMax
from autoscaler.decision import TierCounts
from autoscaler.safety.reactive import DRAIN_S, latency_need, latency_ratio, load_need
from tests.autoscaler.cases import AUTO, POOL, observation

RHO = RhoMax(0.5, "tpot", {})


def test_load_need_covers_load_and_backlog() -> None:
    assert load_need(observation(), 2.0, 144.0, RHO) == 4
    backlog = observation(waiting=0.6 * DRAIN_S * 1000 / 100)
    assert load_need(backlog, 2.0, 100.0, RHO) == 6


def test_anything_present_needs_one() -> None:
    assert load_need(observation(arrivals_per_s=None, running=None, held=1.0), None, None, RHO) == 1
    assert load_need(observation(arrivals_per_s=0.0, running=0.0), 0.0, None, RHO) == 0


def test_the_worse_ratio_counts() -> None:
    assert latency_ratio(observation(ttft_s={"p90": 3.0}), POOL, AUTO) == pytest.approx(1.5)
    assert latency_ratio(observation(ttft_s={"p90": 30.0}), POOL, AUTO) == 2.0


def test_tpot_is_compared_as_utilisation() -> None:
    at_target = observation(ttft_s={}, tpot_s={"mean": 0.05})
    idle = observation(ttft_s={}, tpot_s={"mean": POOL.step.a_ms / 1000})
    assert latency_ratio(at_target, POOL, AUTO) == pytest.approx(1.0)
    assert latency_ratio(idle, POOL, AUTO) == 0.0


def test_few_requests_have_no_p90() -> None:
    assert latency_ratio(observation(completed_per_s=0.5), POOL, AUTO) is None
    assert latency_ratio(observation(ttft_s={}, tpot_s={}), POOL, AUTO) is None


@pytest.mark.parametrize(
    ("ratio", "active", "launching", "need"),
    [
        (1.3, 10, 0, 13),
        (1.3, 8, 2, 11),  # two are on their way: 1.3 · 0.8 = 1.04
        (1.1, 5, 5, 10),  # half is on its way: nothing more
        (0.9, 10, 0, 10),
        (0.425, 10, 0, 5),
        (None, 10, 0, 0),
        (1.5, 0, 0, 0),
    ],
)
def test_latency_law(ratio: float | None, active: int, launching: int, need: int) -> None:
    assert latency_need(ratio, TierCounts(active=active, launching=launching), AUTO) == need


def test_a_factor_on_the_load_leaves_the_backlog_alone() -> None:
    backlog = observation(waiting=0.6 * DRAIN_S * 1000 / 100)
    assert load_need(observation(), 2.0, 144.0, RHO, factor=1.5) == 6
    assert load_need(backlog, 2.0, 100.0, RHO, factor=1.5) == 8
