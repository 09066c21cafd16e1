"""Replays elsewhere: ``python -m autoscaler.impact.worker`` takes a task and gives the impact back."""

from __future__ import annotations

import pickle

from autoscaler.impact.replay import Task, replay
from autoscaler.worker import main, tell


def serve(given: bytes) -> bytes:
    """One replay, both ends pickled."""
    task: Task = pickle.loads(given)
    return pickle.dumps(replay(task, tell))


if __name__ == "__main__":
    main(serve)
