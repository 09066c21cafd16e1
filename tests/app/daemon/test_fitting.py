"""Experts learn beside the loop, and a fit that fails costs nothing."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from app.daemon import fitting
from app.daemon.fitting import FitFailed, Fitting, elsewhere
from app.daemon.memory import Memory, ServiceMemory
from autoscaler.controller import Mind
from autoscaler.decision import ControlState, TierCounts
from autoscaler.policy import Policy
from autoscaler.store.models import ModelStore
from collectors.store import open_store
from forecasting.forecaster import Forecaster
from forecasting.worker import fitted, serve, task
from tests.app.fakes import POOL
from tests.forecasting.series import diurnal, minutes

MODELS = ModelStore(open_store("sqlite://"))


def taught(days: float = 0.4) -> tuple[Memory, dict[str, Mind], float]:
    times, forecaster = minutes(days), Forecaster("chat")
    forecaster.load(times, diurnal(times))
    now_s = float(times[-1])
    control = ControlState("chat", POOL, TierCounts(), now_s)
    return Memory(services={"chat": ServiceMemory(POOL, control, Policy(), 1)}), {"chat": Mind(forecaster)}, now_s


async def until_taken(fits: Fitting, memory: Memory, minds: dict[str, Mind], now_s: float) -> None:
    await fits.advance(memory, minds, MODELS, now_s)
    assert fits.running is not None
    await asyncio.wait({fits.running})
    await fits.advance(memory, minds, MODELS, now_s)


def learned(minds: dict[str, Mind]) -> bool:
    return "linear" in minds["chat"].forecaster.panel.fits


async def test_what_is_due_is_fitted_elsewhere_and_taken_over() -> None:
    memory, minds, now_s = taught()
    fits = Fitting()
    await until_taken(fits, memory, minds, now_s)
    assert learned(minds) and memory.services["chat"].fitted_at_s == now_s
    assert memory.tally.fits["chat", "done"] == 1 and fits.running is None
    here = minds["chat"].forecaster
    assert not here.due() and here.forecast(now_s) is not None
    kept = MODELS.newest("chat")
    assert kept is not None and kept[0] == now_s
    assert "linear" in here.recall(kept[1]).panel.fits


async def test_a_fit_that_fails_leaves_the_last_model_and_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, minds, now_s = taught()
    broken = b"no panel at all"
    monkeypatch.setattr(fitting, "task", lambda panel, history, seed: broken)
    fits = Fitting()
    await until_taken(fits, memory, minds, now_s)
    trouble = memory.services["chat"].fit_trouble
    assert trouble is not None and "last good model" in trouble and not learned(minds)
    assert fits.running is None
    await fits.advance(memory, minds, MODELS, now_s + fitting.RETRY_S - 1)
    assert fits.running is None
    monkeypatch.setattr(fitting, "task", task)
    await until_taken(fits, memory, minds, now_s + fitting.RETRY_S)
    assert learned(minds) and memory.services["chat"].fit_trouble is None


async def test_a_fit_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "LIMIT_S", 0.01)
    with pytest.raises(FitFailed, match="took longer than"):
        await elsewhere(b"")


async def test_stopping_ends_the_fit_under_way() -> None:
    memory, minds, now_s = taught()
    fits = Fitting()
    await fits.advance(memory, minds, MODELS, now_s)
    assert fits.running is not None
    await fits.stop()
    assert fits.running.cancelled()


async def test_too_little_history_starts_nothing() -> None:
    memory, minds, now_s = taught(0.05)
    fits = Fitting()
    await fits.advance(memory, minds, MODELS, now_s)
    assert fits.running is None


def test_the_same_task_gives_the_same_panel() -> None:
    _, minds, _ = taught()
    panel, history = minds["chat"].forecaster.task()
    first, second = (fitted(serve(task(panel, history, 7))) for _ in range(2))
    said = [p.predict(history, history.last, history.last) for p in (first, second)]
    assert np.array_equal(*said, equal_nan=True) and "linear" in first.fits
