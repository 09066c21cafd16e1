"""Who asks too much waits, and nobody else does; what is kept of callers is bounded."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.guard import Access
from app.access.keeper import Keys, Open
from app.access.limits import Buckets, Limits, Rate, neighbourhood
from app.access.principal import Role
from app.access.tokens import TokenStore
from tests.app.access.conftest import Asking, made


def test_a_burst_and_then_the_rate() -> None:
    buckets = Buckets(Rate(2.0, 3))
    assert [buckets.take("ada", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("bob", 0.0) == 0.0
    assert buckets.take("ada", 0.5) == 0.0 and buckets.take("ada", 0.5) == 0.5


@given(st.lists(st.floats(0, 50), max_size=200).map(sorted), st.floats(0.1, 20), st.integers(1, 20))
def test_nobody_gets_more_than_the_rate_and_one_burst(times: list[float], per_s: float, burst: int) -> None:
    buckets = Buckets(Rate(per_s, burst))
    granted = [at_s for at_s in times if buckets.take("ada", at_s) == 0.0]
    if granted:
        assert len(granted) <= burst + per_s * (granted[-1] - granted[0]) + 1e-6


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=50))
def test_a_clock_that_goes_back_gives_nothing(times: list[float]) -> None:
    buckets = Buckets(Rate(1e-9, 5))
    assert sum(buckets.take("ada", at_s) == 0.0 for at_s in times) <= 5


def test_callers_are_forgotten_and_memory_is_bounded() -> None:
    buckets = Buckets(Rate(1.0, 2), most=100)
    for number in range(10_000):
        buckets.take(f"caller {number}", 0.0)
    assert len(buckets) == 100


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_ipv6_host_is_one_caller_whatever_address_it_takes(address: str, whose: str) -> None:
    assert neighbourhood(address) == whose


@dataclass
class Hand:
    """A clock that is set."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def limited(tokens: TokenStore | None, hand: Hand, burst: int = 2, failures: int = 3) -> Access:
    limits = Limits(Buckets(Rate(0.5, burst)), Buckets(Rate(0.1, failures)))
    return Access(Keys(tokens) if tokens else Open(), limits=limits, clock=hand)


async def test_who_asks_too_much_is_told_when_to_come_back(asking: Asking, tokens: TokenStore) -> None:
    hand = Hand()
    async with asking(made(tokens, Role.VIEWER), limited(tokens, hand)) as api:
        assert [(await api.get("/api/v1/me")).status_code for _ in range(3)] == [200, 200, 429]
        answer = await api.get("/api/v1/me")
        assert answer.headers["retry-after"] == "2" and answer.json()["detail"].startswith("too many")
        other = {"Authorization": f"Bearer {made(tokens, Role.VIEWER)}"}
        assert (await api.get("/api/v1/me", headers=other)).status_code == 200, "another token is another caller"
        assert (await api.get("/healthz")).status_code == 200, "probes always answer"
        hand.now_s = 2.0
        assert (await api.get("/api/v1/me")).status_code == 200


async def test_wrong_credentials_wear_out_and_right_ones_still_work(asking: Asking, tokens: TokenStore) -> None:
    access = limited(tokens, Hand(), burst=100)
    async with asking("leadtime_000000000000_00", access) as api:
        assert [(await api.get("/api/v1/me")).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        right = {"Authorization": f"Bearer {made(tokens, Role.VIEWER)}"}
        assert (await api.get("/api/v1/me", headers=right)).status_code == 200


async def test_an_address_that_a_header_claims_is_not_believed(asking: Asking) -> None:
    async with asking(access=limited(None, Hand())) as api:
        claims = [{"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}"} for n in range(3)]
        assert [(await api.get("/api/v1/me", headers=claim)).status_code for claim in claims] == [200, 200, 429]
