"""The newest panel of each service, on SQLite and PostgreSQL."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Engine

from autoscaler.store.models import ModelStore
from forecasting.history import History, Target
from forecasting.panel import Panel
from forecasting.store import unpacked

TARGET = Target((1, 15), (0.5, 0.9))


def panel(level: float) -> Panel:
    made = Panel(TARGET, 60.0)
    made.begin(History(60.0, 0, level + np.random.default_rng(1).random(600)))
    return made


def test_the_newest_replaces_the_one_before(engine: Engine) -> None:
    store = ModelStore(engine)
    assert store.newest("chat") is None
    store.keep("chat", 1.0, panel(1.0))
    store.keep("chat", 2.0, panel(5.0))
    store.keep("code", 3.0, panel(9.0))
    kept = ModelStore(engine).newest("chat")
    assert kept is not None and kept[0] == 2.0
    offset = unpacked(kept[1], TARGET, 60.0).panel.calibration.offset
    assert (offset == panel(5.0).calibration.offset).all()
