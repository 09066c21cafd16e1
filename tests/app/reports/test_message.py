"""Messages: short, without control of the chat they come to, and one mail however often it is sent."""

from __future__ import annotations

import pytest

from app.reports import build, message
from app.reports.books import Books
from app.reports.spans import Span
from app.reports.views import Report
from tests.app.reports.conftest import DAYS, POLICIES, START_S


@pytest.fixture(scope="module")
def made(books: Books) -> Report:
    return build.report(books, POLICIES, Span("span", START_S, START_S + 86400.0 * DAYS), START_S + 86400.0 * DAYS)


def test_a_chat_gets_the_figures_and_the_alerts(made: Report) -> None:
    text = message.slack(made)["text"]
    assert f"${made.cost.total.total_usd:,.2f}" in text
    assert "Budget chat: over" in text
    assert "energy read for 50.0%" in text


def test_names_cannot_mention_or_link() -> None:
    assert message.quiet("<!channel> & <https://evil|x>\nnext") == "&lt;!channel&gt; &amp; &lt;https://evil|x&gt; next"


def test_a_mail_has_the_page_and_the_pdf(made: Report) -> None:
    mail = message.mail(made, "<p>page</p>", b"%PDF-", "a@example.com", ["b@example.com", "c@example.com"], "week-1")
    assert mail["To"] == "b@example.com, c@example.com"
    assert mail["Message-ID"] == "<week-1@leadtime>"
    assert [part.get_filename() for part in mail.iter_attachments()] == ["report.html", "report.pdf"]
    assert "\n" not in mail["Subject"]
    assert len([*message.mail(made, "", None, "a@b.c", ["d@e.f"], "x").iter_attachments()]) == 1
