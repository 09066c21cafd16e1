"""Several cases and contenders at once, request by request, on all cores.

Results that are known are taken from the cache and new ones kept as they come, so what was interrupted goes on where it
stopped.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from autoscaler.backtest import cache
from autoscaler.backtest.case import Case
from autoscaler.backtest.registry import case_for, contender
from autoscaler.backtest.run import Result, run

LOOK_EVERY_S = 0.2

Task = tuple[Case, str]
"""A case, and the name of the contender that plays it."""

Shares = Callable[[Sequence[float]], None]
"""Told the share that each task has done, 0 to 1, in their order."""

_tasks: Sequence[Task]
_shares: Any


def play(
    tasks: Sequence[Task], folder: Path | None, told: Shares, jobs: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Results as they come, each with the index of its task; kept in ``folder``, if there is one, for the next time.

    Stopping to iterate stops the work.
    """
    missing = []
    for index, (case, name) in enumerate(tasks):
        kept = cache.read(folder, cache.key(case, name)) if folder else None
        if kept:
            yield index, kept
        else:
            missing.append(index)
    done = [1.0] * len(tasks)

    def tell(shares: Sequence[float]) -> None:
        for index, share in zip(missing, shares, strict=True):
            done[index] = share
        told(done)

    for at, result in _played([tasks[index] for index in missing], tell, jobs or os.cpu_count() or 1):
        case, name = tasks[missing[at]]
        if folder:
            cache.write(folder, cache.key(case, name), result)
        yield missing[at], result


def _played(tasks: Sequence[Task], told: Shares, jobs: int) -> Iterator[tuple[int, Result]]:
    if not tasks:
        return
    # Forked, so that traces of millions of requests are shared and not copied.
    forking = multiprocessing.get_context("fork")
    shares = forking.Array("d", len(tasks))
    with ProcessPoolExecutor(min(jobs, len(tasks)), forking, _inherit, (tasks, shares)) as pool:
        running: dict[Future[Result], int] = {pool.submit(_play, i): i for i in range(len(tasks))}
        try:
            while running:
                done, _ = wait(running, LOOK_EVERY_S, FIRST_COMPLETED)
                told(shares[:])
                for future in sorted(done, key=lambda f: running[f]):
                    yield running.pop(future), future.result()
        finally:
            if running:
                # They have nothing to put in order, and inherit what the parent does with signals.
                for worker in list((pool._processes or {}).values()):
                    worker.kill()
                pool.shutdown(wait=False, cancel_futures=True)


def _inherit(tasks: Sequence[Task], shares: Any) -> None:
    global _tasks, _shares
    _tasks, _shares = tasks, shares
    # Ctrl-C reaches every process of a terminal; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _play(index: int) -> Result:
    case, name = _tasks[index]

    def progress(share: float) -> None:
        _shares[index] = share

    played = case_for(name, case)
    return run(played, contender(name, played), progress, name)
