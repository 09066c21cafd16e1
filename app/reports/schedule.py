"""Reports that send themselves: when the last period is over and its hour has come, once, and again where it failed.

Runs beside the loop, in the daemon that leads; what it looks at is the daemon's time, which may be virtual, and what
it waits for is real time. A report that cannot be made or sent costs a line in the log and is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.costsettings import ScheduledReport
from app.reports import build, message, sending
from app.reports.books import Books
from app.reports.deliveries import Deliveries, Delivery
from app.reports.page import page
from app.reports.pdf import NoPdf, pdf_of
from app.reports.spans import Span, last_over
from app.reports.views import Report
from autoscaler.policy import Policy

LOOK_EVERY_S = 30.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scheduler:
    """What is sent, from which books, and who says what time it is, who leads and which policies are in force."""

    reports: tuple[ScheduledReport, ...]
    books: Books
    deliveries: Deliveries
    now: Callable[[], float]
    leads: Callable[[], bool]
    policies: Callable[[], Mapping[str, Policy]]


async def run(scheduler: Scheduler) -> None:
    """Look every half minute until cancelled."""
    while True:
        if scheduler.reports and scheduler.leads():
            try:
                await asyncio.to_thread(send_due, scheduler)
            except SQLAlchemyError as error:
                log.warning("reports: the store does not answer", kind=type(error).__name__)
        await asyncio.sleep(LOOK_EVERY_S)


def send_due(scheduler: Scheduler) -> list[Delivery]:
    """Send everything that is due; gives what was tried."""
    tried = []
    for scheduled in scheduler.reports:
        span = due(scheduled, scheduler.now())
        if span is None or not metered(scheduler.books, span):
            continue
        waiting = [one for one in ways(scheduler, scheduled, span) if one.due(scheduler.now())]
        if waiting:
            made = build.report(scheduler.books, scheduler.policies(), span, scheduler.now())
            tried += [attempt(scheduler, scheduled, one, made) for one in waiting]
    return tried


def due(scheduled: ScheduledReport, now_s: float) -> Span | None:
    """The last period that is over, once its hour has come."""
    span = last_over(scheduled.every, now_s)
    return span if now_s >= span.end_s + 3600 * scheduled.hour else None


def metered(books: Books, span: Span) -> bool:
    """Whether anything was metered in it: before the first start there is nothing to tell."""
    first = books.store.first_hour_s()
    return first is not None and first < span.end_s


def ways(scheduler: Scheduler, scheduled: ScheduledReport, span: Span) -> Iterator[Delivery]:
    """How far each way of one report is."""
    for way in ("email", "webhook"):
        if getattr(scheduled.deliver, way) is not None:
            yield scheduler.deliveries.of(scheduled.name, span.start_s, way)


def attempt(scheduler: Scheduler, scheduled: ScheduledReport, delivery: Delivery, made: Report) -> Delivery:
    """Send once, and keep how it went."""
    try:
        send(scheduled, delivery, made)
        done = delivery.sent(scheduler.now())
        log.info("report sent", report=scheduled.name, way=delivery.way, title=made.title)
    except sending.NotSent as error:
        done = delivery.failed(scheduler.now(), str(error))
        again = "given up" if done.next_s is None else f"again in {done.next_s - scheduler.now():.0f} s"
        log.warning("report not sent", report=scheduled.name, reason=str(error), tries=done.tries, then=again)
    scheduler.deliveries.keep(done)
    return done


def send(scheduled: ScheduledReport, delivery: Delivery, made: Report) -> None:
    """By mail with the page (and as PDF where a browser is there), or a message to the webhook."""
    if delivery.way == "webhook":
        assert scheduled.deliver.webhook is not None, "asked for"
        sending.post(scheduled.deliver.webhook, message.slack(made))
        return
    mail = scheduled.deliver.email
    assert mail is not None, "asked for"
    text = page(made)
    id = f"{scheduled.name}-{delivery.start_s:.0f}"
    sending.send_mail(mail, message.mail(made, text, printed(text), mail.sender, mail.to, id))


def printed(text: str) -> bytes | None:
    """The PDF; None, and a line in the log, where there is no browser to print it."""
    try:
        return pdf_of(text)
    except NoPdf as error:
        log.info("report without PDF", reason=str(error))
        return None
