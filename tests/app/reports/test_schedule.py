"""Reports that send themselves: once per period, again where it failed, never before there is anything to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.costsettings import DeliverySettings, ScheduledReport, WebhookSettings
from app.reports import schedule, sending
from app.reports.books import Books
from app.reports.deliveries import MOST_TRIES, Deliveries, Delivery
from app.reports.schedule import Scheduler, due, send_due
from collectors.store import open_store
from tests.app.reports.conftest import POLICIES, START_S

DAILY = ScheduledReport(
    name="daily", every="day", hour=6, deliver=DeliverySettings(webhook=WebhookSettings(url_env="H"))
)
NOW_S = START_S + 86400 + 7 * 3600.0


def scheduler(books: Books, now_s: float = NOW_S, deliveries: Deliveries | None = None) -> Scheduler:
    kept = deliveries or Deliveries(open_store("sqlite://"))
    return Scheduler((DAILY,), books, kept, lambda: now_s, lambda: True, lambda: POLICIES)


def at(now_s: float) -> Callable[[], float]:
    return lambda: now_s


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles of what was posted."""
    titles: list[str] = []
    monkeypatch.setattr(sending, "post", lambda settings, body: titles.append(str(body["text"]).splitlines()[0]))
    return titles


def test_it_is_due_when_its_hour_has_come() -> None:
    assert due(DAILY, START_S + 86400 + 6 * 3600 - 1) is None
    span = due(DAILY, START_S + 86400 + 6 * 3600)
    assert span is not None
    assert span.start_s == START_S


def test_it_is_sent_once(books: Books, sent: list[str]) -> None:
    one = scheduler(books)
    assert [delivery.sent_at_s for delivery in send_due(one)] == [NOW_S]
    assert send_due(one) == []
    assert len(sent) == 1
    assert sent[0].startswith("*Sunday 1 November 2026*: $")


def test_a_restart_sends_nothing_twice(books: Books, sent: list[str]) -> None:
    first = scheduler(books)
    send_due(first)
    send_due(scheduler(books, NOW_S + 60, first.deliveries))
    assert len(sent) == 1


def test_before_anything_was_metered_there_is_no_report(books: Books, sent: list[str]) -> None:
    assert send_due(scheduler(books, START_S + 7 * 3600.0)) == []


def test_what_failed_is_tried_again_later_and_given_up_in_the_end(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: object, body: object) -> None:
        raise sending.NotSent("webhook hooks.example.com: answered 500")

    monkeypatch.setattr(sending, "post", broken)
    one, now_s, waits = scheduler(books), NOW_S, []
    for _ in range(MOST_TRIES):
        [tried] = send_due(replace(one, now=at(now_s)))
        waits.append((tried.next_s or now_s) - now_s)
        now_s = tried.next_s or now_s
    assert waits == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3840.0, 0.0]
    assert send_due(replace(one, now=lambda: now_s + 3600)) == []
    assert one.deliveries.of("daily", START_S, "webhook").trouble == "webhook hooks.example.com: answered 500"


def test_a_delivery_that_waits_is_not_due() -> None:
    failed = Delivery("daily", 0.0, "email").failed(100.0, "x")
    assert (failed.due(159.0), failed.due(160.0), failed.sent(230.0).due(1e9)) == (False, True, False)


def test_a_report_that_goes_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="deliver is empty; give email or webhook"):
        ScheduledReport(name="x")


def test_without_a_browser_the_mail_goes_without_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADTIME_CHROMIUM", "no-such-browser")
    assert schedule.printed("<p>") is None
