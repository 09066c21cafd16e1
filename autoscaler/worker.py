"""What a process does that answers one question and ends, whatever the question: read, answer, or say why not.

It takes standard input and gives standard output, so whoever asked may end it without harm, and its memory returns.
Progress goes to standard error, a line ``progress 0.25`` at a time. What passes is pickled by us for us and never
touches a disk. A fit has a process of the same kind (``forecasting.worker``), which may not know of this one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

NICENESS = 10
"""A search, a preview, a plan or a figure about last month may wait; ticks may not."""


def tell(share: float) -> None:
    """One line of progress."""
    sys.stderr.write(f"progress {share:.4f}\n")
    sys.stderr.flush()


def main(serve: Callable[[bytes], bytes]) -> None:
    """One question from standard input, its answer to standard output; what cannot be answered is one line."""
    os.nice(NICENESS)
    try:
        answer = serve(sys.stdin.buffer.read())
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(answer)
