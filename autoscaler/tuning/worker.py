"""Searches elsewhere: a process that takes a task on standard input and gives the choice back on standard output.

``python -m autoscaler.tuning.worker`` serves exactly one search and ends, as ``forecasting.worker`` does a fit. What
passes is pickled by us for us and never touches a disk.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import cast

from autoscaler.tuning.choice import Choice
from autoscaler.tuning.tuner import Task

NICENESS = 10
"""A search may wait; ticks may not."""


def packed(task: Task) -> bytes:
    """What the worker reads."""
    return pickle.dumps(task)


def chosen(answer: bytes) -> Choice:
    """What the worker wrote."""
    return cast(Choice, pickle.loads(answer))


def serve(given: bytes) -> bytes:
    """One search: from ``packed`` to what ``chosen`` reads."""
    task: Task = pickle.loads(given)
    return pickle.dumps(task.chosen())


if __name__ == "__main__":
    os.nice(NICENESS)
    sys.stdout.buffer.write(serve(sys.stdin.buffer.read()))
