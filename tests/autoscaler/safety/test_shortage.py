"""Asked and not come: from when, how many, and when that is too long."""

from __future__ import annotations

from autoscaler.safety.shortage import Ask, asking, overdue_s


def test_an_ask_begins_when_more_is_wanted_and_ends_when_it_has_come() -> None:
    first = asking(None, 6, 4, 0.0)
    assert first == Ask(2, 0.0, 4)
    assert asking(first, 6, 6, 100.0) is None


def test_an_arrival_starts_the_wait_anew_and_a_larger_ask_does_not() -> None:
    first = asking(None, 6, 4, 0.0)
    assert asking(first, 8, 4, 100.0) == Ask(4, 0.0, 4)
    assert asking(first, 8, 5, 100.0) == Ask(3, 100.0, 5)


def test_a_replica_that_dies_and_comes_back_is_an_arrival() -> None:
    lost = asking(Ask(2, 0.0, 4), 6, 3, 100.0)
    assert lost == Ask(3, 0.0, 3)
    assert asking(lost, 6, 4, 200.0) == Ask(2, 200.0, 4)


def test_what_takes_longer_than_two_launches_does_not_come() -> None:
    ask = Ask(4, 0.0, 4)
    assert overdue_s(ask, 180.0, 360.0) is None
    assert overdue_s(ask, 180.0, 361.0) == 361.0
    assert overdue_s(Ask(4, 0.0, 4), 1.0, 50.0) is None  # nobody is that impatient
    assert overdue_s(None, 180.0, 9e9) is None
