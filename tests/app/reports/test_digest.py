"""Digests: every grouping sums to the account's whole, and days that are over are read once and no day before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.reports.books import Books
from app.reports.digest import DAY_S, HOUR_S, Days, Digest, digested, joined
from autoscaler.cost.account import account
from autoscaler.cost.store import CostStore, Hours
from collectors.store import open_store
from tests.app.reports.conftest import DAYS, START_S, metered

END_S = START_S + DAY_S * DAYS
hours = st.integers(0, 24 * DAYS)


class Counting(CostStore):
    """Counts what is read."""

    reads = 0

    def hours(self, start_s: float, end_s: float, service: str | None = None) -> Hours:
        self.reads += 1
        return super().hours(start_s, end_s, service)


def test_days_that_are_over_are_read_once(books: Books) -> None:
    store, days = Counting(books.store._engine), Days()

    def reads(start_s: int, end_s: int) -> int:
        before = store.reads
        days.digest(store, books.terms, start_s, end_s)
        return store.reads - before

    assert reads(START_S, END_S) == DAYS
    assert reads(START_S, END_S) == 1, "the last day may still grow"
    assert reads(START_S + HOUR_S, START_S + 2 * DAY_S) == 0


def same(one: Digest, other: Digest) -> None:
    assert one.hours.tolist() == other.hours.tolist()
    assert one.by_pair(lambda pair: pair) == other.by_pair(lambda pair: pair)
    assert one.use() == other.use()
    assert one.nano_by_hour().tolist() == other.nano_by_hour().tolist()
    assert one.tenants == other.tenants


def test_it_is_the_account_in_every_grouping(books: Books) -> None:
    lines = account(books.store.hours(START_S, END_S), books.terms, START_S, END_S)
    made = digested(books.store, books.terms, START_S, END_S)
    assert (made.total_nano, made.whole) == (lines.total_nano, lines.whole)
    assert made.by_pair(lambda pair: pair[0]) == lines.summed("service")
    assert made.by_pair(lambda pair: pair[1]) == lines.summed("pool")
    by_hour = {hour: sums for hour, (sums, _) in made.by_time(HOUR_S).items()}
    assert by_hour == lines.summed("hour_s")
    assert sum(sums.nano for sums, _ in made.by_time(DAY_S).values()) == lines.total_nano


@settings(deadline=None, max_examples=15)
@given(hours, hours)
def test_any_span_is_the_same_from_kept_days_and_from_the_store(books: Books, one: int, other: int) -> None:
    start_s, end_s = (START_S + HOUR_S * at for at in sorted((one, other)))
    kept, place = Days(), (books.store, books.terms)
    kept.digest(*place, START_S, END_S)
    same(kept.digest(*place, start_s, end_s), digested(books.store, books.terms, start_s, end_s))


def test_a_day_that_still_grows_is_read_again(books: Books) -> None:
    store = CostStore(open_store("sqlite://"))
    days, place = Days(), (store, books.terms)
    for hour in (0, 23, 24):
        held, used = metered(hour, "chat", 3, 0)
        store.add([held], [used])
        assert days.digest(*place, START_S, START_S + 2 * DAY_S).use()["chat"].ms == sum(
            row.ms for row in store.usage(START_S, START_S + 2 * DAY_S)
        )
    store.add([held], [used])
    assert days.digest(*place, START_S, START_S + 2 * DAY_S).use()["chat"].ms == 4 * used.ms


def test_services_that_come_and_go_keep_their_own_numbers(books: Books) -> None:
    one = digested(books.store, books.terms, START_S, START_S + DAY_S).of({"chat"})
    other = digested(books.store, books.terms, START_S + DAY_S, START_S + 2 * DAY_S).of({"=code"})
    made = joined([one, other])
    assert made.use()["chat"] == one.use()["chat"] and made.use()["=code"] == other.use()["=code"]
    assert made.total_nano == one.total_nano + other.total_nano
    assert not made.of({"chat"}).nano_by_hour()[24:].any()


def test_nothing_metered_is_nothing(books: Books) -> None:
    made = Days().digest(books.store, replace(books.terms, commitments=()), START_S - DAY_S, START_S)
    assert made.total_nano == 0 and made.by_time(DAY_S) == {} and made.use() == {}
    assert np.array_equal(made.longest_ms(), np.zeros(24))
