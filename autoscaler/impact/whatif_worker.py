"""What-if questions elsewhere: ``python -m autoscaler.impact.whatif_worker`` takes one and gives the answer back."""

from __future__ import annotations

import pickle

from autoscaler.impact.whatif import Task, what_if
from autoscaler.worker import main, tell


def serve(given: bytes) -> bytes:
    """One question, both ends pickled."""
    task: Task = pickle.loads(given)
    return pickle.dumps(what_if(task, tell))


if __name__ == "__main__":
    main(serve)
