"""Savings elsewhere: a process that takes services' days on standard input and gives their savings on standard output.

``python -m app.reports.savings_worker`` serves one question and ends: a hundred services take most of a minute, which
the control loop must not feel.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping

from app.reports.plays import Play, Played
from autoscaler.cost.savings import Saving
from autoscaler.worker import main, tell


def serve(given: bytes) -> bytes:
    """Play every service; both ends pickled."""
    plays: Mapping[Played, Play] = pickle.loads(given)
    found: dict[Played, list[Saving]] = {}
    for key, one in plays.items():
        found[key] = one.savings()
        tell(len(found) / len(plays))
    return pickle.dumps(found)


if __name__ == "__main__":
    main(serve)
