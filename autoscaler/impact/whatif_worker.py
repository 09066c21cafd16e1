"""What-if questions elsewhere, as ``impact.worker`` does replays: one question, one answer, progress aside."""

from __future__ import annotations

import pickle

from autoscaler.impact.whatif import Task, what_if
from autoscaler.impact.worker import main, tell


def serve(given: bytes) -> bytes:
    """One question, both ends pickled."""
    task: Task = pickle.loads(given)
    return pickle.dumps(what_if(task, tell))


if __name__ == "__main__":
    main(serve)
