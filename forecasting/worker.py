"""Fits elsewhere: a process that takes a panel and its history on standard input and gives the fitted panel back.

``python -m forecasting.worker`` serves exactly one fit and ends, so its memory returns, a hanging fit can be ended
without harm, and whoever asked may vanish: a broken pipe ends it too. What passes is pickled by us for us and never
touches a disk.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import cast

from forecasting.history import History
from forecasting.panel import Panel

NICENESS = 10
"""A fit may wait; ticks may not."""


def task(panel: Panel, history: History, seed: int) -> bytes:
    """What the worker reads."""
    return pickle.dumps((panel, history, seed))


def fitted(answer: bytes) -> Panel:
    """What the worker wrote."""
    return cast(Panel, pickle.loads(answer))


def serve(given: bytes) -> bytes:
    """One fit: from ``task`` to what ``fitted`` reads."""
    panel, history, seed = pickle.loads(given)
    return pickle.dumps(panel.refit(history, seed))


if __name__ == "__main__":
    os.nice(NICENESS)
    sys.stdout.buffer.write(serve(sys.stdin.buffer.read()))
