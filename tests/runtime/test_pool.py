"""A pool's arithmetic, against numbers worked by hand and against its own definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.pool import Pool, StepTime
from runtime.replica import Tier

STEP = StepTime(16.55, 0.041, 0.0581, 68.7)
POOL = Pool("h100", "chat", "vllm", "H100", 2, 3.0, STEP, kv_blocks=1000, holding_share={Tier.ASLEEP: 0.25})


def test_a_step_adds_its_four_parts() -> None:
    assert STEP.step_ms(10, 20_000, 1000) == pytest.approx(16.55 + 0.41 + 1.162 + 68.7)


def test_the_work_of_a_request() -> None:
    """1,000 in and 100 out: 68.7 for the prompt, 100·(0.041 + 0.0581·1.05) for the output."""
    assert STEP.work_ms(1000, 100) == pytest.approx(68.7 + 4.1 + 6.1005)


@given(st.integers(1, 2000), st.integers(1, 500))
def test_work_is_what_a_request_adds_to_the_steps_it_is_in(tokens: int, output: int) -> None:
    """Prompt in one step, then a token a step; the context grows from I to I + O, I + O/2 in the mean."""
    alone = STEP.step_ms(0, 0, tokens) + sum(STEP.step_ms(1, tokens + i + 0.5, 0) for i in range(output))
    assert STEP.work_ms(tokens, output) == pytest.approx(alone - (output + 1) * STEP.a_ms)


@given(st.floats(0, 1e5), st.floats(0, 1e4), st.floats(0, 1e4))
def test_more_tokens_are_never_less_work(tokens: float, output: float, more: float) -> None:
    assert STEP.work_ms(tokens + more, output) >= STEP.work_ms(tokens, output)
    assert STEP.work_ms(tokens, output + more) >= STEP.work_ms(tokens, output)


def test_kv_capacity_is_blocks_times_their_size() -> None:
    assert POOL.kv_tokens == 16_000


def test_holding_costs_are_full_unless_somebody_shares_the_gpus() -> None:
    assert POOL.replica_usd_per_hour == 6.0
    assert POOL.holding_usd_per_hour(Tier.ACTIVE) == 6.0
    assert POOL.holding_usd_per_hour(Tier.STANDBY) == 6.0
    assert POOL.holding_usd_per_hour(Tier.ASLEEP) == 1.5
    assert POOL.holding_usd_per_hour(Tier.COLD) == 0.0
