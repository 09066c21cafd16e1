"""What-if questions elsewhere, as ``impact.worker`` does replays: one question, one answer, progress aside."""

from __future__ import annotations

import os
import pickle
import sys

from autoscaler.impact.whatif import Task, what_if
from autoscaler.impact.worker import NICENESS, tell
from runtime.catalog.errors import CatalogError


def serve(given: bytes) -> bytes:
    """One question, both ends pickled."""
    task: Task = pickle.loads(given)
    return pickle.dumps(what_if(task, tell))


if __name__ == "__main__":
    os.nice(NICENESS)
    try:
        answer = serve(sys.stdin.buffer.read())
    except (ValueError, CatalogError) as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(answer)
