"""Four figures that say what they include, the split by kind of token, and gaps that are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost.account import Terms, account
from autoscaler.cost.figures import Tokens, figures, gaps, split, tokens_of
from autoscaler.cost.meter import Used
from tests.autoscaler.cost.cases import POOL, hours_of, one

TOKENS = Tokens(input=1.5e6, cached=0.5e6, output=0.5e6, requests=1000, known=1.0, cached_known=1.0)


def test_the_four_figures() -> None:
    made = figures(account(hours_of(one(0, "chat", 2.0, 1.0), busy=0.5), Terms(), 0, 3600).whole, TOKENS)
    assert made.total_usd == 9.0
    assert made.marginal_per_million_usd == pytest.approx(1.5)
    assert made.serving_per_million_usd == pytest.approx(3.0)
    assert made.fully_loaded_per_million_usd == pytest.approx(4.5)
    assert made.waste_share == pytest.approx(1 / 3)
    assert made.gpu_hours == 3.0


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 1))
def test_they_are_in_order(active: float, standby: float, busy: float) -> None:
    made = figures(account(hours_of(one(0, "chat", active, standby), busy=busy), Terms(), 0, 3600).whole, TOKENS)
    told = (made.serving_per_million_usd or 0, made.fully_loaded_per_million_usd or 0)
    assert (made.marginal_per_million_usd or 0) <= told[0] + 1e-6 <= told[1] + 2e-6


def test_no_tokens_no_price_and_no_load_no_marginal() -> None:
    lines = account(hours_of(one(0, "chat", 2.0), busy=None), Terms(), 0, 3600).whole
    made = figures(lines, Tokens())
    assert (made.serving_per_million_usd, made.fully_loaded_per_million_usd) == (None, None)
    assert (made.marginal_usd, made.load_known, made.total_usd) == (None, 0.0, 6.0)


def test_tokens_of_a_part_of_the_time_are_priced_at_that_parts_cost() -> None:
    lines = account(hours_of(one(0, "chat", 2.0)), Terms(), 0, 3600).whole
    half = Tokens(input=1e6, output=0, requests=1, known=0.5)
    assert figures(lines, half).serving_per_million_usd == pytest.approx(3.0)


@given(st.floats(0, 1e9), st.floats(0, 1), st.floats(1, 1e9), st.floats(1, 1e6))
def test_kinds_of_tokens_share_a_cost(inputs: float, cached: float, outputs: float, requests: float) -> None:
    found = split(Tokens(inputs, cached * inputs, outputs, requests, 1.0, 1.0), POOL.step)
    assert found is not None
    assert found.input + found.cached + found.output == pytest.approx(1)
    assert min(found.input, found.cached, found.output) >= 0


def test_a_split_by_hand() -> None:
    # A request of 1000 fresh, 500 cached and 200 answer tokens: 12 + 4 ms, 2 ms, 200·(0.1 + 0.002) = 20.4 ms.
    found = split(Tokens(1500, 500, 200, 1, 1.0, 1.0), POOL.step)
    assert found is not None
    assert [found.input, found.cached] == pytest.approx([16 / 38.4, 2 / 38.4])


def test_without_requests_there_is_no_split() -> None:
    assert split(Tokens(input=5.0, known=1.0), POOL.step) is None


def test_tokens_of_hours() -> None:
    hour = Used(0, "chat", 100, 50, 0, 10.0, 0.0, 5.0, 2.0)
    assert tokens_of([hour, hour]) == Tokens(20.0, None, 10.0, 4.0, 0.5, 0.0)
    assert tokens_of([]) == Tokens()


def test_gaps_are_named() -> None:
    lines = account(hours_of(one(0, "chat", 2.0), busy=None), Terms(), 0, 3600).whole
    tokens = Tokens(input=1.0, output=1.0, requests=1, known=0.25)
    told = gaps(tokens, figures(lines, tokens), span_ms=100, metered_ms=90)
    assert [line.split(";")[0].split(" of ")[0] for line in told] == [
        "metered for 90.0%",
        "tokens known for 25.0%",
        "cached tokens are not reported",
        "load seen for 0.0%",
    ]
    whole = account(hours_of(one(0, "chat", 2.0)), Terms(), 0, 3600).whole
    assert gaps(TOKENS, figures(whole, TOKENS), 100, 100) == []
