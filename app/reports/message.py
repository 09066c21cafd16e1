"""A report as a message: a few lines for a chat, and a mail with the page in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from app.reports import tables
from app.reports.page import headline
from app.reports.views import Report
from autoscaler.backtest import words

MOST_SERVICES = 5


def lines(report: Report) -> list[str]:
    """What a reader should know without opening anything."""
    total = report.cost.total
    told = [
        f"Per million tokens: marginal {tables.price(total.marginal_usd_per_million_tokens)}, serving "
        f"{tables.price(total.serving_usd_per_million_tokens)}, fully loaded "
        f"{tables.price(total.fully_loaded_usd_per_million_tokens)}; waste {words.percent(total.waste_share, 1)}",
    ]
    dearest = [f"{tables.name_of(one)} {tables.money(one.total_usd)}" for one in report.cost.services[:MOST_SERVICES]]
    if dearest:
        told.append("Dearest: " + ", ".join(dearest))
    told += [
        f"Budget {one.name}: {one.state}, {tables.money(one.spent_usd)} of {tables.money(one.usd_per_month)} spent, "
        f"heading for {tables.money(one.forecast_usd)}"
        for one in report.budgets
        if one.alert
    ]
    told += [
        f"{one.gpu}: the quota of {one.quota_gpus} runs out {tables.day(one.quota_out_s)}"
        for one in report.capacity
        if one.quota_out_s is not None
    ]
    return told + [f"Not known: {gap}" for gap in report.cost.gaps]


def slack(report: Report) -> Mapping[str, Any]:
    """The body of an incoming webhook. Names from outside cannot mention people or make links."""
    text = "\n".join([f"*{quiet(report.title)}*: {quiet(headline(report))}", *(f"• {quiet(x)}" for x in lines(report))])
    return {"text": text, "unfurl_links": False, "unfurl_media": False}


def quiet(text: str) -> str:
    """Text without what Slack takes for control: ``&``, ``<`` and ``>`` escaped, line breaks as spaces."""
    flat = " ".join(text.split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mail(report: Report, page: str, pdf: bytes | None, sender: str, to: Sequence[str], id: str) -> EmailMessage:
    """A mail with the lines as text, and the page and the PDF attached; by its ``id`` it is one, however often sent."""
    made = EmailMessage()
    made["Subject"] = " ".join(f"Leadtime: {report.title}: {headline(report)}".split())
    made["From"], made["To"] = sender, ", ".join(to)
    made["Date"] = format_datetime(datetime.fromtimestamp(report.made_at_s, UTC))
    made["Message-ID"] = f"<{id}@leadtime>"
    made.set_content("\n".join([headline(report), "", *lines(report), ""]))
    made.add_attachment(page, subtype="html", filename="report.html")
    if pdf is not None:
        made.add_attachment(pdf, maintype="application", subtype="pdf", filename="report.pdf")
    return made
