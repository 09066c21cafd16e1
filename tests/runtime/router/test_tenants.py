"""Tenants are told apart, held to their quotas and counted under few names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.router import tenants
from runtime.router.tenants import OTHER, Account, Quota, Tenancy, Tenants

KEY = (b"authorization", b"Bearer sk-1")


def known(**quotas: Quota) -> Tenants:
    made = Tenants()
    made.configure(Tenancy(quotas=quotas), 0.0)
    return made


def account(quota: Quota) -> Account:
    return known(a=quota).of([(b"x-tenant-id", b"a")], 0.0)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([(b"x-tenant-id", b"acme"), KEY], "acme"),
        ([KEY, (b"x-tenant-id", b"acme")], "acme"),
        ([KEY], "key-ec11dc6df162"),
        ([(b"x-tenant-id", b""), (b"accept", b"*/*")], "anonymous"),
        ([(b"x-tenant-id", b"x" * 4000)], "x" * 128),
    ],
)
def test_the_header_goes_before_a_hash_of_the_key(headers: list[tuple[bytes, bytes]], name: str) -> None:
    assert Tenancy().name(headers) == name


def test_a_second_of_requests_may_burst_and_then_they_come_at_their_rate() -> None:
    there = account(Quota(requests_per_s=2.0))
    assert [there.enter(1, 0.0) for _ in range(3)] == [None, None, ("requests/s", 1)]
    assert [there.enter(1, 0.5), there.enter(1, 0.6)] == [None, ("requests/s", 1)]
    assert (there.used.requests, there.used.limited) == (3, 2)


def test_tokens_that_came_unforeseen_are_a_debt() -> None:
    there = account(Quota(tokens_per_min=600.0))
    assert there.enter(600, 0.0) is None
    there.spend(300)
    assert there.enter(10, 0.0) == ("tokens/min", 31)
    assert there.enter(10, 31.0) is None
    assert there.used.tokens == 910


def test_a_request_larger_than_the_quota_goes_when_nothing_else_has_gone() -> None:
    there = account(Quota(tokens_per_min=600.0))
    assert there.enter(6000, 0.0) is None
    assert there.enter(1, 0.0) == ("tokens/min", 541)


def test_requests_in_flight_are_bounded_until_they_end() -> None:
    there = account(Quota(in_flight=1))
    assert [there.enter(1, 0.0), there.enter(1, 9.0)] == [None, ("requests in flight", 1)]
    there.leave()
    assert there.enter(1, 9.0) is None


def test_names_in_metrics_are_those_of_the_file() -> None:
    there = known(acme=Quota())
    for name in (b"acme", b"x", b"y", b"other"):
        there.of([(b"x-tenant-id", name)], 0.0).enter(5, 0.0)
    assert {name: (used.requests, used.in_flight) for name, used in there.used.items()} == {
        "acme": (1, 1),
        OTHER: (3, 3),
    }


def test_a_new_quota_holds_at_once_and_keeps_what_is_in_flight() -> None:
    there = known(a=Quota(requests_per_s=1.0))
    one = there.of([(b"x-tenant-id", b"a")], 0.0)
    one.enter(1, 0.0)
    there.configure(Tenancy(quotas={"a": Quota(requests_per_s=1.0, in_flight=2)}), 0.0)
    assert one.enter(1, 0.0) == ("requests/s", 1)
    there.configure(Tenancy(default=Quota(in_flight=1)), 0.0)
    assert one.enter(1, 5.0) == ("requests in flight", 1)
    assert (there.used["a"].in_flight, there.used[OTHER].in_flight) == (0, 1)


def test_senders_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenants, "MOST_KNOWN", 3)
    there = known()
    busy = there.of([(b"x-tenant-id", b"busy")], 0.0)
    busy.enter(1, 0.0)
    for number in range(10):
        there.of([(b"x-tenant-id", str(number).encode())], 0.0)
    assert len(there.accounts) == 3 and there.accounts["busy"] is busy


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 400)), max_size=50))
def test_no_more_gets_through_than_the_burst_and_the_rate(arrivals: list[tuple[float, int]]) -> None:
    there, now_s, passed = account(Quota(tokens_per_min=600.0)), 0.0, 0
    for pause_s, tokens in arrivals:
        now_s += pause_s
        passed += tokens if there.enter(tokens, now_s) is None else 0
    assert passed <= 600 + 10 * now_s + 1e-6
