"""What the console's pages ask of the API, and how long each answer takes.

Promise: nothing is listed by hand. Every page is run as Streamlit runs it, against the real API, and what it asked is
noted; then each of its questions is asked again in process, and timed. So a question that a page learns to ask is timed
from that day on. A page's sum is what it waits for from the API when it is opened with nothing kept.
"""

from __future__ import annotations

import logging
import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import uvicorn
from fastapi import FastAPI
from rich.table import Table
from starlette.types import ASGIApp, Receive, Scope, Send

ANSWER_S, PAGE_S = 0.5, 2.0
"""Aims: any one answer, and what a page asks for in all."""

TIMES = 3
RUN_WITHIN_S = 600
SERVICE = "SERVICE"

View = tuple[str, Mapping[str, str]]

VIEWS: tuple[View, ...] = (
    ("fleet", {}),
    ("fleet", {"window": "7 d"}),
    ("service", {}),
    ("service", {"window": "7 d"}),
    ("forecasts", {}),
    ("forecasts", {"span": "7 d"}),
    ("decisions", {}),
    ("decisions", {"span": "24 h"}),
    ("decisions", {"span": "7 d"}),
    ("gpus", {}),
    ("policies", {}),
    ("cost", {}),
    ("cost", {"span": "30 d"}),
    ("cost", {"span": "90 d"}),
    ("cost", {"of": SERVICE, "span": "30 d"}),
    ("plan", {}),
    ("audit", {}),
)
"""Pages, and how each is opened; SERVICE stands for the first one."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One question: seconds of the first answer and the median of the later ones, their CPU seconds, and bytes."""

    question: str
    first_s: float
    later_s: float
    first_cpu_s: float
    later_cpu_s: float
    bytes: int


@dataclass(slots=True)
class Noting:
    """Passes requests on and notes what was read."""

    app: ASGIApp
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note and pass on."""
        if scope["type"] == "http" and scope["method"] == "GET":
            query = scope["query_string"].decode()
            question = scope["path"] + (f"?{query}" if query else "")
            if question not in self.asked:
                self.asked.append(question)
        await self.app(scope, receive, send)


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address at which an application is served, in a thread of its own."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False, lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


def questions(api: ASGIApp, service: str, views: Sequence[View] = VIEWS) -> dict[str, list[str]]:
    """What each page asks when it is opened, by page."""
    noting, found = Noting(api), {}
    logging.disable(logging.WARNING)  # Streamlit tells of every page that it is run without a browser
    with served(noting) as address:
        os.environ["LEADTIME_API"] = address
        for page, options in views:
            named = {key: service if value == SERVICE else value for key, value in options.items()}
            opened_page(address, page, named, noting)
            found[" ".join([page, *(f"{key}={value}" for key, value in named.items())])] = list(noting.asked)
    return found


def opened_page(address: str, page: str, options: Mapping[str, str], noting: Noting) -> None:
    """Open one page, with nothing kept from the one before; raises RuntimeError where it shows an exception."""
    from streamlit import config
    from streamlit.testing.v1 import AppTest

    import app.console
    from app.console import shell

    config.set_option("server.address", "127.0.0.1")  # what the console asks before it shows anything

    main = Path(app.console.__file__).with_name("main.py")
    at = AppTest.from_file(str(main), default_timeout=RUN_WITHIN_S).run()
    for key, value in options.items():
        at.query_params[key] = value
    shell.client(address).forget()
    noting.asked.clear()
    opened = at.switch_page(f"views/{page}.py").run()
    if opened.exception:
        raise RuntimeError(f"{page} {dict(options)}: {opened.exception[0].message}")


async def timed(api: FastAPI, asked: Sequence[str], times: int = TIMES) -> list[Timed]:
    """Every question, asked in process; the first answer is that of an application that keeps nothing yet."""
    found = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://api", timeout=600) as client:
        for question in asked:
            took, cpu, size = [], [], 0
            for _ in range(times + 1):
                wall, busy = time.perf_counter(), time.process_time()
                answer = await client.get(question)
                took.append(time.perf_counter() - wall)
                cpu.append(time.process_time() - busy)
                if answer.status_code != httpx.codes.NOT_FOUND:  # no watch, no candidate: an answer, too
                    answer.raise_for_status()
                size = len(answer.content)
            found.append(
                Timed(question, took[0], statistics.median(took[1:]), cpu[0], statistics.median(cpu[1:]), size)
            )
    return found


def page_table(answers: Mapping[str, Sequence[Timed]]) -> Table:
    """One row per page: its questions, their sum when it is opened first and again, its slowest, and the aims."""
    table = Table("page", "questions", "first s", "CPU s", "again s", "slowest again", "s", "KB", "holds")
    for page, found in answers.items():
        first, again = sum(one.first_s for one in found), sum(one.later_s for one in found)
        slow = max(found, key=lambda one: one.later_s)
        cells = (f"{first:.2f}", f"{sum(one.first_cpu_s for one in found):.2f}", f"{again:.2f}", short(slow.question))
        size = f"{sum(one.bytes for one in found) / 1000:,.0f}"
        table.add_row(page, str(len(found)), *cells, f"{slow.later_s:.2f}", size, "yes" if holds(found) else "NO")
    table.caption = f"aims: {PAGE_S:g} s for what a page asks first, {ANSWER_S:g} s for any one answer again"
    return table


def holds(found: Sequence[Timed]) -> bool:
    """Whether a page is within both aims."""
    return sum(one.first_s for one in found) <= PAGE_S and all(one.later_s <= ANSWER_S for one in found)


def question_table(found: Sequence[Timed]) -> Table:
    """One row per question."""
    table = Table("question", "first s", "CPU s", "again s", "CPU s", "KB")
    for one in found:
        seconds = (one.first_s, one.first_cpu_s, one.later_s, one.later_cpu_s)
        table.add_row(short(one.question), *(f"{value:.3f}" for value in seconds), f"{one.bytes / 1000:,.0f}")
    return table


def short(question: str) -> str:
    """A question as a table shows it: signals and times say little."""
    path, _, query = question.removeprefix("/api/v1").partition("?")
    told = {key: values[0] for key, values in parse_qs(query).items() if key not in ("signals", "start", "max_points")}
    if {"start", "end"} <= parse_qs(query).keys():
        hours = (float(parse_qs(query)["end"][0]) - float(parse_qs(query)["start"][0])) / 3600
        told["end"] = f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"
    return path + "".join(f" {key}={value}" for key, value in told.items())
