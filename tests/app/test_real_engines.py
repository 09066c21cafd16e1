"""The loop on real parts: vLLM scraped by Prometheus, a burst through the router, one replica to three and back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

from benchmarks.pictures import chromium
from benchmarks.real.stack import SERVICE, STEP, Engines, Stack, prepared, running, until, vllm_python
from runtime.traces import Trace, load
from runtime.traces.replay import Answered, Endpoint, Fate, replay
from tests.app.console.test_browser import opened

BURST = Path(__file__).parents[1] / "fixtures" / "azure-2023-conv-150s.csv"
BEGIN_S, END_S, MORE_S = 30.0, 70.0, 10.0
MOST_INPUT, MOST_OUTPUT = 200, 60
QUICK = {
    "scale_in": {"window_s": 10, "cooldown_s": 3, "settle_after_restart_s": 5},
    "risk": {"shortage_usd_per_replica_hour": 1.0},
}

pytestmark = [pytest.mark.vllm, pytest.mark.prometheus, pytest.mark.chromium, pytest.mark.timeout(780)]


def burst(begin_s: float = BEGIN_S) -> Trace:
    """The trace's rise, its requests cut to what three engines on two cores can do."""
    whole = load(BURST)
    part = whole.take((whole.arrival_s >= begin_s) & (whole.arrival_s < END_S))
    return replace(
        part,
        arrival_s=part.arrival_s - begin_s,
        input_tokens=np.minimum(part.input_tokens, MOST_INPUT).astype(np.int32),
        output_tokens=np.minimum(part.output_tokens, MOST_OUTPUT).astype(np.int32),
    )


@contextmanager
def bursts(stack: Stack, answers: list[Answered]) -> Iterator[None]:
    """One burst and, where engines take longer than that to start, half of its end again until the block ends."""
    ended = threading.Event()

    def send() -> None:
        answers.extend(sent(stack, burst()))
        while not ended.is_set():
            more = burst(END_S - MORE_S)
            answers.extend(sent(stack, more.take(np.arange(more.requests) % 2 == 0)))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def trickle(stack: Stack, answers: list[Answered]) -> Iterator[None]:
    """A request a second for as long as the block lasts."""
    ended, one = threading.Event(), Trace("one", np.zeros(1), np.array([50], np.int32), np.array([20], np.int32))

    def send() -> None:
        while not ended.wait(1.0):
            answers.extend(sent(stack, one))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def sent(stack: Stack, trace: Trace) -> list[Answered]:
    return asyncio.run(replay(trace, Endpoint(stack.url("router"), SERVICE)))


def test_a_burst_is_met_by_three_replicas_and_left_by_two(tmp_path: Path) -> None:
    stack = prepared(tmp_path, vllm_python(), policy=QUICK, engines=Engines(paced=STEP))
    answers: list[Answered] = []
    with running(stack):
        until(lambda: stack.serving() == 1, 150, "the first replica serves")
        began_s = time.time()
        with bursts(stack, answers):
            until(lambda: stack.serving() == 3, 300, "three replicas serve")
        with trickle(stack, answers):
            until(lambda: len(stack.replicas()) == 1, 150, "one replica is left")
        nobody_lost(answers)
        the_ledger_has_it(stack, began_s)
        lead_times_are_measured(stack)
        the_router_has_counted(stack, len(answers))
        the_console_shows_it(stack)


def nobody_lost(answers: list[Answered]) -> None:
    assert {(a.fate, a.why) for a in answers} == {(Fate.SERVED, None)}
    assert all(a.tokens == a.output_tokens for a in answers)


def the_ledger_has_it(stack: Stack, began_s: float) -> None:
    """Decisions up and down, each with its sentence, and what the replicas cost."""
    rows = [row for row in stack.api(f"/services/{SERVICE}/decisions?limit=500") if row["at_s"] >= began_s]
    assert max(row["desired_active"] for row in rows) == 3
    assert all(row["sentence"] for row in rows)
    until(lambda: stack.api("/fleet")["usd_per_hour"] == pytest.approx(1.0), 15, "one replica is all that costs")
    assert stack.api("/fleet")["replicas_active"] == 1


def lead_times_are_measured(stack: Stack) -> None:
    told = stack.api(f"/services/{SERVICE}/capacity")
    (cold,) = [row for row in told["lead_times"] if row["tier"] == "cold"]
    assert cold["measured"] == 3
    assert 5 < cold["p50_s"] < 150


def the_router_has_counted(stack: Stack, requests: int) -> None:
    page = httpx.get(f"{stack.url('router')}/metrics").text
    assert f'leadtime_gateway_requests_arrived_total{{service="{SERVICE}"}} {requests}' in page
    assert f'leadtime_gateway_requests_lost_total{{service="{SERVICE}"}} 0' in page


def the_console_shows_it(stack: Stack) -> None:
    """The service's page, in a browser, with the load that came and went."""
    stack.start("console")
    with chromium() as browser:
        page = opened(browser, f"{stack.url('console')}/service?service={SERVICE}")
        expect(page.get_by_text("Demand and capacity").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("between 1 and 3").first).to_be_visible(timeout=30_000)
        assert page.get_by_test_id("stException").count() == 0
        page.screenshot(path=stack.folder / "console.png", full_page=True)
