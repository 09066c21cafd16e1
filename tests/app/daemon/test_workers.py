"""A worker answers, or says in one line why not."""

from __future__ import annotations

import pytest

from app.daemon.workers import WorkerFailed, answer


async def test_a_worker_that_fails_says_its_last_line() -> None:
    with pytest.raises(WorkerFailed, match="UnpicklingError"):
        await answer("autoscaler.tuning.worker", b"no task at all", 60.0)


async def test_a_worker_that_takes_too_long_is_ended() -> None:
    with pytest.raises(WorkerFailed, match="took longer than 0 s"):
        await answer("autoscaler.tuning.worker", b"", 0.01)
