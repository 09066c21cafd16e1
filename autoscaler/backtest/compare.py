"""Several contenders on one case, on all cores, with what is already known taken from the cache."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from autoscaler.backtest import cache
from autoscaler.backtest.case import Case
from autoscaler.backtest.registry import contender
from autoscaler.backtest.run import Result, run

LOOK_EVERY_S = 0.2

Shares = Callable[[dict[str, float]], None]
"""Told the share that each contender has done, 0 to 1."""

_case: Case
_shares: Any


def compare(
    case: Case, names: Sequence[str], folder: Path | None, told: Shares, jobs: int | None = None
) -> Iterator[tuple[str, Result]]:
    """Results as they come, each with its name; kept in ``folder``, if there is one, for the next time.

    Stopping to iterate stops the work.
    """
    missing = []
    for name in names:
        kept = cache.read(folder, cache.key(case, name)) if folder else None
        if kept:
            yield name, kept
        else:
            missing.append(name)
    for name, result in _played(case, missing, told, jobs or os.cpu_count() or 1):
        if folder:
            cache.write(folder, cache.key(case, name), result)
        yield name, result


def _played(case: Case, names: Sequence[str], told: Shares, jobs: int) -> Iterator[tuple[str, Result]]:
    if not names:
        return
    # Forked, so that a trace of millions of requests is shared and not copied.
    forking = multiprocessing.get_context("fork")
    shares = forking.Array("d", len(names))
    with ProcessPoolExecutor(jobs, forking, _inherit, (case, shares)) as pool:
        running: dict[Future[Result], str] = {pool.submit(_play, i, name): name for i, name in enumerate(names)}
        try:
            while running:
                done, _ = wait(running, LOOK_EVERY_S, FIRST_COMPLETED)
                told({name: float(shares[i]) for i, name in enumerate(names)})
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            if running:
                pool.shutdown(wait=False, cancel_futures=True)
                _end(pool)


def _inherit(case: Case, shares: Any) -> None:
    global _case, _shares
    _case, _shares = case, shares


def _play(index: int, name: str) -> Result:
    def progress(share: float) -> None:
        _shares[index] = share

    return run(_case, contender(name, _case), progress, name)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the workers: nobody waits for a simulation that nobody wants."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
