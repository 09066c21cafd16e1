"""Every router against its rule written plainly over engines that are all brought up to every arrival."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulated.dispatch import dispatch
from runtime.simulated.routers import ROUTERS, affinity, router
from runtime.simulated.routers.draw import draw
from tests.runtime.simulated.reference_engine import ReferenceEngine, Request
from tests.runtime.simulated.test_dispatch import Arrival, Routers, arrivals, expect_brute_force


@dataclass
class Plain(Routers):
    """Plain engines behind a router of that name."""

    name: str = ""
    turns: list[int] = field(default_factory=list)

    def pick(self, service: int, at_s: float, request: Request) -> int:
        self.turns.append(self.plain_turn[service] + 1)
        return super().pick(service, at_s, request)

    def choose(self, rows: list[int], request: Request) -> int:
        if self.name in ("random", "power-of-two"):
            return self.drawn(sorted(rows))
        score = {
            "round-robin": lambda row: 0,
            "least-tokens": lambda row: sum(r.input for r in self.requests(row)),
            "lmetric": lambda row: (
                (self.plain[row].unprefilled + self.uncached(row, request)) * (self.plain[row].load + 1)
            ),
            "sal": lambda row: (
                self.wait_s(self.plain[row], self.uncached(row, request)),
                len(self.plain[row].running),
            ),
        }.get(self.name, lambda row: self.plain[row].load)
        return min(rows, key=score)

    def uncached(self, row: int, request: Request) -> int:
        return request.input - len(self.plain[row].lookup(request)) * self.pool.block_tokens

    def requests(self, row: int) -> list[Request]:
        return [*self.plain[row].running, *self.plain[row].waiting]

    def drawn(self, rows: list[int]) -> int:
        first = draw(self.turns[-1], 0) % len(rows)
        if self.name == "random" or len(rows) == 1:
            return rows[first]
        second = (first + 1 + draw(self.turns[-1], 1) % (len(rows) - 1)) % len(rows)
        return min(rows[first], rows[second], key=lambda row: self.plain[row].load)

    def wait_s(self, engine: ReferenceEngine, tokens: int) -> float:
        pool, decoding = engine.pool, [r for r in engine.running if r.decoding]
        kv_tokens = sum(r.computed for r in decoding)
        line, step = engine.unprefilled + tokens, pool.step
        steps_s = math.ceil(line / pool.max_batched_tokens) * step.step_ms(len(decoding), kv_tokens, 0) / 1000
        compute_s = steps_s + step.p_ms_per_1k_prefill_tokens * line / 1e6
        ended = [r for r in engine.ended if not r.refused]
        everybody = [*engine.running, *engine.waiting, *ended]
        output = sum(len(r.token_s) for r in everybody) / max(1, len(ended))
        needed = sum(r.remaining - r.hit for r in engine.waiting) + tokens + output * (len(engine.waiting) + 1)
        short = needed - (len(engine.free) + len(engine.evictable)) * pool.block_tokens
        if short <= 0:
            return compute_s
        rate = engine.released_tokens / engine.busy_s if engine.busy_s else 0.0
        return max(compute_s, short / max(rate, pool.block_tokens))


@pytest.mark.parametrize("name", ROUTERS)
@given(arriving=arrivals(), first=st.integers(1, 4), second=st.integers(0, 3), batch=st.integers(1, 9))
def test_each_request_goes_where_the_rule_says(
    name: str, arriving: list[Arrival], first: int, second: int, batch: int
) -> None:
    """Replicas are alike and no request has a session or a prefix, so weighted and affinity are least-requests."""
    expect_brute_force(Plain(first, second, name), arriving, batch, router(name))


@pytest.mark.parametrize(
    ("name", "prefixes"), [(name, n) for name in ROUTERS for n in (0, 12) if n == 0 or name != "prefix-affinity"]
)
def test_a_crowd_goes_where_the_rule_says(name: str, prefixes: int) -> None:
    rng = np.random.default_rng(1)
    at_s = np.cumsum(rng.integers(0, 40, 200)) * 2.0**-10
    sizes = zip(at_s, rng.integers(1, 40, 200), rng.integers(1, 60, 200), rng.integers(0, 2, 200), strict=True)
    shared = [(int(k), int(n)) for k, n in rng.integers(0, [prefixes + 1, 40], (200, 2))]
    crowd = [(float(a), int(i), int(o), int(s)) for a, i, o, s in sizes]
    expect_brute_force(Plain(3, 2, name), crowd, 10, router(name), shared)


@pytest.mark.parametrize("name", ["lmetric", "sal"])
def test_a_prompt_goes_where_it_is_cached(name: str) -> None:
    routers = Plain(3, 0, name)
    state = routers.state([(float(i), 40, 1, 0) for i in range(6)])
    state.requests["prefix"], state.requests["prefix_tokens"] = 1 + np.arange(6) % 2, 40
    dispatch(state, np.arange(6), routers.rows, routers.counts, routers.turn, router(name))
    rows = state.requests["replica"].tolist()
    assert len(set(rows[0::2])) == len(set(rows[1::2])) == 1
    assert (state.requests["hit"][2:] == 36).all()


def sent(name: str, keys: str, arriving: list[Arrival], routers: Routers, speeds: tuple[float, ...] = ()) -> list[int]:
    """Rows that a burst goes to whose requests carry the session or prefix 1, 2, 1, 2, …"""
    state = routers.state(arriving)
    state.requests[keys] = 1 + np.arange(len(arriving)) % 2
    for row, speed in enumerate(speeds):
        for law in "abkp":
            state.replicas[row][law] /= speed
    dispatch(state, np.arange(len(arriving)), routers.rows, routers.counts, routers.turn, router(name))
    rows: list[int] = state.requests["replica"].tolist()
    return rows


def test_a_session_stays_where_it_is() -> None:
    rows = sent("session-affinity", "session", [(0.0, 5, 5, 0)] * 40, Routers(4, 0))
    assert len(set(rows[0::2])) == len(set(rows[1::2])) == 1


def test_a_prefix_stays_until_its_home_is_overloaded() -> None:
    calm = sent("prefix-affinity", "prefix", [(0.0, 5, 5, 0)] * 8, Routers(4, 0))
    crowd = sent("prefix-affinity", "prefix", [(0.0, 5, 5, 0)] * 200, Routers(4, 0))
    assert len(set(calm[0::2])) == 1
    loads = np.bincount(crowd, minlength=4)
    assert loads.max() - loads.min() > 16 and loads.max() <= 1.5 * loads.min() + 1


def test_a_replica_twice_as_fast_holds_twice_as_many() -> None:
    rows = sent("weighted", "session", [(0.0, 5, 5, 0)] * 60, Routers(2, 0), speeds=(1.0, 2.0))
    assert np.bincount(rows).tolist() == [20, 40]


@given(st.integers(1, 1 << 30), st.integers(2, 12), st.integers(0, 11))
def test_a_replica_that_leaves_moves_only_its_own_keys(key: int, count: int, leaving: int) -> None:
    rows = np.arange(count)
    at = affinity.home(key, rows, count)
    left = np.delete(rows, leaving % count)
    assert affinity.home(key, left, count - 1) == at or at == leaving % count


def test_draws_are_even_and_repeatable() -> None:
    drawn = np.array([draw(i, 0) % 10 for i in range(20_000)])
    assert np.abs(np.bincount(drawn) - 2000).max() < 200
    assert draw(5, 0) == draw(5, 0) != draw(5, 1)


def test_a_router_that_is_none_is_told_which_there_are() -> None:
    with pytest.raises(ValueError, match="no router 'best'; there are least-requests, round-robin"):
        router("best")
