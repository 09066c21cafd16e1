"""What the benchmark of pages says of times that are given: aims, names of questions, and that answers are timed."""

from __future__ import annotations

from fastapi import FastAPI
from rich.console import Console

from benchmarks.month_pages import Timed, holds, page_table, question_table, short, timed


def one(first_s: float, later_s: float, question: str = "/api/v1/fleet") -> Timed:
    return Timed(question, first_s, later_s, first_s, later_s, 1000)


def test_a_page_holds_where_its_sum_and_every_answer_do() -> None:
    assert holds([one(0.9, 0.5), one(1.0, 0.1)])
    assert not holds([one(1.5, 0.1), one(0.6, 0.1)])
    assert not holds([one(0.6, 0.6)])


def test_a_question_is_told_by_what_it_is_about() -> None:
    asked = "/api/v1/services/chat/series?start=0&end=604800&signals=a%2Cb&max_points=600"
    assert short(asked) == "/services/chat/series end=7 d"
    assert short("/api/v1/decisions?limit=60") == "/decisions limit=60"


def test_tables_have_a_row_for_each() -> None:
    console = Console(record=True, width=160)
    console.print(page_table({"fleet": [one(0.1, 0.05)], "cost": [one(3.0, 0.7)]}))
    console.print(question_table([one(0.1, 0.05)]))
    text = console.export_text()
    assert "yes" in text and "NO" in text and "/fleet" in text


async def test_answers_are_timed() -> None:
    app = FastAPI()

    @app.get("/api/v1/fleet")
    async def fleet() -> str:
        return "ok"

    (found,) = await timed(app, ["/api/v1/fleet"], times=1)
    assert (found.question, found.bytes) == ("/api/v1/fleet", 4)
    assert found.first_s > 0 and found.later_s > 0
