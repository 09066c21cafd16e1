"""What was played is not played again, unless the code is other code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.keeping import Kept


@dataclass(frozen=True, slots=True)
class Run:
    seed: int
    folder: str


_added = 0


def begin(added: int) -> None:
    global _added
    _added = added


def play(run: Run) -> dict[str, Any]:
    with (Path(run.folder) / "played").open("a") as played:
        played.write(f"{run.seed} ")
    return {"sum": run.seed + _added}


def sums(kept: Kept, tmp_path: Path, seeds: list[int], added: int = 10) -> list[int]:
    runs = [Run(seed, str(tmp_path)) for seed in seeds]
    return [row["sum"] for row in kept.rows(runs, play, begin, lambda: (added,))]


def test_each_is_played_once_and_rows_come_in_order(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", "now", 2)
    assert sums(kept, tmp_path, [3, 1, 3]) == [13, 11, 13]
    assert sums(kept, tmp_path, [1, 2, 3], added=20) == [11, 22, 13]
    assert sorted((tmp_path / "played").read_text().split()) == ["1", "2", "3"]


def test_other_code_plays_anew(tmp_path: Path) -> None:
    assert sums(Kept(tmp_path / "kept", "now", 1), tmp_path, [1]) == [11]
    assert sums(Kept(tmp_path / "kept", "later", 1), tmp_path, [1], added=20) == [21]
