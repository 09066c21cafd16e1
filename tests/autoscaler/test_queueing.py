"""The queue of first tokens, against Erlang's formula written out and against what must hold for any queue."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.queueing import Queue, ttft_s, waiting_probability
from tests.autoscaler.cases import POOL


def plainly(servers: int, erlangs: float) -> float:
    """Erlang's C as it is printed."""
    last = erlangs**servers / math.factorial(servers) * servers / (servers - erlangs)
    return last / (sum(erlangs**k / math.factorial(k) for k in range(servers)) + last)


@given(st.integers(1, 64), st.floats(0.01, 0.99))
def test_the_share_that_waits_is_erlangs(servers: int, busy: float) -> None:
    assert waiting_probability(servers, servers * busy) == pytest.approx(plainly(servers, servers * busy), rel=1e-9)


def test_one_server_is_busy_as_often_as_it_works_and_a_full_one_always() -> None:
    assert waiting_probability(1, 0.7) == pytest.approx(0.7)
    assert waiting_probability(4, 4.0) == waiting_probability(4, 9.0) == 1.0


@given(st.floats(0.01, 0.9), st.floats(1, 20_000), st.floats(1, 2000), st.integers(1, 200))
def test_more_replicas_wait_no_longer_and_fuller_ones_no_less(rho: float, i: float, o: float, n: int) -> None:
    here = ttft_s(POOL, rho, 0.99, i, o, n)
    assert ttft_s(POOL, rho, 0.99, i, o, n + 1) <= here <= ttft_s(POOL, min(0.99, rho * 1.1), 0.99, i, o, n)


@given(st.integers(1, 100), st.floats(0.2, 5), st.floats(1, 10_000), st.floats(0.5, 2))
def test_the_limit_is_where_the_promise_is_just_kept(n: int, target_s: float, i: float, times: float) -> None:
    queue = Queue(POOL, target_s, 0.99, i, 200.0, times)
    limit = queue.limit(n)
    assert limit == 0 or queue.meets(limit * (1 - 1e-6), n)
    assert limit * times == pytest.approx(0.95) or not queue.meets(limit * (1 + 1e-6) + 1e-6, n)
