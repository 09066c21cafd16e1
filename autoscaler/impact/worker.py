"""A replay elsewhere: a process that takes a task on standard input and gives the impact back on standard output.

``python -m autoscaler.impact.worker`` serves exactly one and ends. Its progress goes to standard error, a line
``progress 0.25`` at a time. What passes is pickled by us for us and never touches a disk.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable

from autoscaler.impact.replay import Task, replay

NICENESS = 10
"""A preview, a plan or a figure about last month may wait; ticks may not."""


def tell(share: float) -> None:
    """One line of progress."""
    sys.stderr.write(f"progress {share:.4f}\n")
    sys.stderr.flush()


def serve(given: bytes) -> bytes:
    """One replay, both ends pickled."""
    task: Task = pickle.loads(given)
    return pickle.dumps(replay(task, tell))


def main(serve: Callable[[bytes], bytes]) -> None:
    """One question from standard input, its answer to standard output; what cannot be answered is one line."""
    os.nice(NICENESS)
    try:
        answer = serve(sys.stdin.buffer.read())
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main(serve)
