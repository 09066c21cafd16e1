"""Each sign of saturation asks for more at once, within bounds, and only from what serves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.capacity import RhoMax
from autoscaler.decision import TierCounts
from autoscaler.policy import Policy
from autoscaler.safety.saturation import MOST, saturation
from tests.autoscaler.cases import AUTO, observation

RHO = RhoMax(0.6, "tpot", {}, 50.0)


def asked(serving: int = 4, policy: Policy = AUTO, launching: int = 0, **seen: Any) -> dict[str, int]:
    counts = TierCounts(active=serving, launching=launching)
    return {v.name: v.replicas for v in saturation(observation(**seen), counts, 100.0, policy, RHO)}


def test_a_healthy_interval_has_nothing_to_say() -> None:
    assert asked(kv_usage_ratio=0.9, waiting=20.0, preemptions_per_s=0.4, rejected_per_s=0.0) == {}


@pytest.mark.parametrize(
    ("seen", "voice", "replicas"),
    [
        ({"kv_usage_ratio": 0.95}, "kv", 5),  # 4 · 0.95 / 0.9
        ({"waiting": 21.0, "running": 60.0}, "queue", 5),  # 21 more, 30 fit on each
        ({"waiting": 240.0, "running": 240.0}, "queue", 8),
        ({"preemptions_per_s": 0.5}, "preemptions", 5),
        ({"rejected_per_s": 0.1}, "rejections", 5),
        ({"rejected_per_s": 15.0}, "rejections", 7),  # 1.5 erlangs at 0.6 each
        ({"rejected_per_s": 900.0}, "rejections", 8),  # no more than twice as many
    ],
)
def test_each_sign_asks_for_more(seen: dict[str, Any], voice: str, replicas: int) -> None:
    assert asked(**seen) == {voice: replicas}


def test_what_is_on_its_way_answers_a_sign_and_is_not_given_back() -> None:
    assert asked(kv_usage_ratio=1.0, launching=1) == asked(kv_usage_ratio=1.0) == {"kv": 5}
    assert asked(kv_usage_ratio=1.0, launching=3) == {"kv": 7}


def test_nobody_is_full_where_nobody_serves() -> None:
    assert asked(0, kv_usage_ratio=1.0, waiting=99.0) == {}


def test_thresholds_are_the_policys() -> None:
    strict = Policy.model_validate({"reactive": {"kv_above": 0.5, "waiting_above": 0}})
    assert set(asked(policy=strict, kv_usage_ratio=0.6, waiting=1.0)) == {"kv", "queue"}


numbers = st.floats(0, 1e4)


@given(st.integers(1, 40), st.floats(0, 1), numbers, numbers, numbers)
def test_no_sign_asks_for_less_than_serves_or_more_than_twice_that(
    serving: int, kv: float, waiting: float, preempted: float, rejected: float
) -> None:
    seen: dict[str, Any] = {
        "kv_usage_ratio": kv,
        "waiting": waiting,
        "preemptions_per_s": preempted,
        "rejected_per_s": rejected,
    }
    assert all(serving <= n <= max(serving + 1, MOST * serving) for n in asked(serving, **seen).values())
