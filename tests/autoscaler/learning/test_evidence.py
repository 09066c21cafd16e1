"""What an interval shows is exact where the engine was busy, and what shows nothing is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.learning.evidence import Evidence, evidence
from collectors.observation import Histogram, ReplicaSample
from tests.autoscaler.cases import NOW_S, POOL, observation

SEEN = observation()


def latencies(tokens: float, total_s: float) -> Histogram:
    return Histogram((float("inf"),), (tokens,), total_s)


BEFORE = ReplicaSample(
    "chat-0",
    NOW_S - 15.0,
    running=20.0,
    waiting=0.0,
    kv_usage_ratio=0.1,
    kv_capacity_tokens=320_000.0,
    sleeping=False,
    input_tokens=1e6,
    cached_tokens=0.0,
    output_tokens=1e6,
    completed=1000.0,
    preemptions=3.0,
    iterations=10_000.0,
    itl=latencies(1e6, 2e4),
)
AFTER = replace(
    BEFORE,
    at_s=NOW_S,
    input_tokens=1e6 + 30_000,
    output_tokens=1e6 + 10_000,
    iterations=10_500.0,
    itl=latencies(1e6 + 10_000, 2e4 + 300),
)
"""500 iterations of 30 ms in 15 s, each with 20 sequences of 1,600 tokens, and 60 prompt tokens."""


def reason(before: ReplicaSample | None = BEFORE, **now: object) -> str:
    found = evidence(before, replace(AFTER, **now), SEEN, POOL)  # type: ignore[arg-type]
    assert isinstance(found, str)
    return found


def test_a_busy_interval_is_the_sum_of_its_steps() -> None:
    found = evidence(BEFORE, AFTER, SEEN, POOL)
    assert isinstance(found, Evidence)
    shown = (found.seconds, found.step_ms, found.decoding, found.kv_tokens, found.prefill_tokens)
    assert shown == pytest.approx((15.0, 30.0, 20.0, 32_000.0, 60.0))


def test_without_a_count_of_iterations_they_follow_from_the_latencies() -> None:
    silent = replace(BEFORE, iterations=None), replace(AFTER, iterations=None)
    assert evidence(*silent, SEEN, POOL) == evidence(BEFORE, AFTER, SEEN, POOL)


def test_cached_prompt_tokens_are_not_prefilled_and_reading_then_goes_by_lengths() -> None:
    found = evidence(BEFORE, replace(AFTER, cached_tokens=15_000.0), SEEN, POOL)
    assert isinstance(found, Evidence)
    assert found.prefill_tokens == pytest.approx(30.0)
    assert found.kv_tokens == pytest.approx(20 * (1500 + 300 / 2))


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        ({"waiting": 3.0}, "saturated"),
        ({"kv_usage_ratio": 0.95}, "saturated"),
        ({"preemptions": 4.0}, "saturated"),
        ({"running": 0.0}, "idle"),
        ({"sleeping": True}, "idle"),
        ({"itl": latencies(1e6 + 900, 2e4 + 27)}, "idle"),
        ({"iterations": 10_030.0}, "idle"),
        ({"iterations": 10_400.0}, "idle"),
        ({"at_s": NOW_S - 15.0}, "stale"),
        ({"at_s": NOW_S + 600.0}, "gap"),
        ({"input_tokens": 5.0}, "gap"),
        ({"itl": None}, "silent"),
        ({"running": None}, "silent"),
        ({"kv_usage_ratio": None, "iterations": 11_000.0}, "unclear"),
        ({"iterations": 10_900.0, "itl": latencies(1e6 + 45_000, 2e4 + 750), "input_tokens": 1e6 + 9e6}, "unclear"),
    ],
)
def test_what_says_nothing_about_the_law_is_refused_by_name(now: dict[str, object], kind: str) -> None:
    assert reason(**now).startswith(f"{kind}: ")


def test_a_replica_that_was_not_seen_before_has_no_interval() -> None:
    assert reason(None) == "gap: not seen at the earlier look"


def test_few_sequences_teach_only_where_iterations_are_counted() -> None:
    few = latencies(1e6 + 1500, 2e4 + 45)
    found = evidence(BEFORE, replace(AFTER, itl=few), SEEN, POOL)
    assert isinstance(found, Evidence) and found.decoding == pytest.approx(3.0)
    assert evidence(replace(BEFORE, iterations=None), replace(AFTER, iterations=None, itl=few), SEEN, POOL) == (
        "idle: few sequences decode"
    )
