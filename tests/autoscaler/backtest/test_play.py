"""Contenders played side by side, and stopped when nobody listens."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import replace

import pytest

from autoscaler.backtest.play import play
from tests.autoscaler.backtest.test_tune import POLICY, case


def test_tasks_are_played_side_by_side() -> None:
    short = case().until(120.0)
    generous = POLICY.model_copy(update={"risk": POLICY.risk.model_copy(update={"headroom": 3.0})})
    heard: list[float] = []
    tasks = [(short, "leadtime"), (replace(short, policy=generous), "leadtime"), (short, "hpa")]
    rows = {index: result.row for index, result in play(tasks, None, lambda shares: heard.append(sum(shares)), jobs=2)}
    assert sorted(rows) == [0, 1, 2]
    assert rows[1]["gpu_hours"] > rows[0]["gpu_hours"]
    assert heard[-1] == pytest.approx(3.0, abs=1.0)


def test_who_stops_listening_stops_the_work() -> None:
    before = set(multiprocessing.active_children())
    results = play([(case(), "leadtime")] * 500, None, lambda _: None, jobs=1)
    next(results)
    workers = set(multiprocessing.active_children()) - before
    results.close()  # type: ignore[attr-defined]
    [worker] = workers
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
