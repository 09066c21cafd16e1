"""Runs that are kept as they end, so that a benchmark of hours goes on where it was interrupted.

A run is known by its task, a dataclass of plain values, and by the code's fingerprint; a label may stand in for the
fingerprint, for measurements that go on while code is worked on.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from autoscaler.backtest import cache

Task = TypeVar("Task", bound=Any)
Row = dict[str, Any]
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


@dataclass(frozen=True, slots=True)
class Kept:
    """Where rows are kept, under which label, and how many runs go at a time."""

    folder: Path
    as_of: str
    jobs: int

    def rows(
        self,
        tasks: Sequence[Task],
        play: Callable[[Task], Row],
        inherit: Callable[..., None],
        given: Callable[[], tuple[Any, ...]],
    ) -> list[Row]:
        """The rows of these tasks, in order; played only where they are not kept.

        ``inherit`` is called in every worker with what ``given`` gives; nobody asks for that where all are kept.
        """
        missing = [task for task in dict.fromkeys(tasks) if not self.path(task).is_file()]
        if missing:
            self._play(missing, play, inherit, given())
        return [json.loads(self.path(task).read_text()) for task in tasks]

    def path(self, task: Any) -> Path:
        """The file of this task's row."""
        told = json.dumps([asdict(task), self.as_of or cache.code()], sort_keys=True)
        return self.folder / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.json"

    def _play(self, tasks: Sequence[Task], play: Callable[[Task], Row], inherit: Any, given: tuple[Any, ...]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        forking = multiprocessing.get_context("fork")
        shown = Progress(*COLUMNS, TimeRemainingColumn(), console=Console(file=sys.stderr))
        with shown, ProcessPoolExecutor(self.jobs, forking, inherit, given) as workers:
            ending = {workers.submit(play, task): task for task in tasks}
            for done in shown.track(as_completed(ending), len(ending), description="runs"):
                half = self.path(ending[done]).with_suffix(".half")
                half.write_text(json.dumps(done.result() | {"job": asdict(ending[done])}))
                half.rename(self.path(ending[done]))


def asked(parser: ArgumentParser, name: str, jobs: int) -> None:
    """The options that ``of`` reads."""
    parser.add_argument("--jobs", type=int, default=jobs, help="runs at a time")
    parser.add_argument("--kept", type=Path, default=Path(".cache") / name, help="folder of the runs that have ended")
    parser.add_argument("--as-of", default="", help="a name that stands in for the code's fingerprint")


def of(given: Any) -> Kept:
    """What was asked for."""
    return Kept(given.kept, given.as_of, given.jobs)
