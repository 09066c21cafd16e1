"""Searches elsewhere: ``python -m autoscaler.tuning.worker`` takes a task and gives the choice back."""

from __future__ import annotations

import pickle
from typing import cast

from autoscaler.tuning.choice import Choice
from autoscaler.tuning.tuner import Task
from autoscaler.worker import main


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
    main(serve)
