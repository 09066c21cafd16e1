"""Results by content: the same contender on the same traffic, terms and code is never played twice.

A row that is there is read, one that is missing is played and kept, so an interrupted comparison goes on where it
stopped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from autoscaler.backtest.case import Case
from autoscaler.backtest.run import Result

ROOT = Path(__file__).parents[2]
ROOMS = ("autoscaler", "collectors", "forecasting", "runtime")


@cache
def code() -> str:
    """Fingerprint of everything that a result depends on."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def key(case: Case, name: str) -> str:
    """Name under which a contender's result on a case is kept."""
    digest = hashlib.sha256(code().encode())
    pools: list[dict[str, Any]] = [dataclasses.asdict(pool) for pool in case.pools]
    told = {"pools": pools, "policy": case.acting().model_dump(mode="json"), "start_s": case.start_s, "seed": case.seed}
    digest.update(json.dumps([name, told], sort_keys=True, default=str).encode())
    arrays = [case.trace.arrival_s, case.trace.input_tokens, case.trace.output_tokens, *(case.past or ())]
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def read(folder: Path, name: str) -> Result | None:
    """A kept result, or None where there is none."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    kept = json.loads(path.read_text())
    return Result(kept["row"], tuple((at_s, serving, wanted) for at_s, serving, wanted in kept["timeline"]))


def write(folder: Path, name: str, result: Result) -> None:
    """Keep a result; whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / f"{name}.half"
    half.write_text(json.dumps({"row": result.row, "timeline": result.timeline}))
    half.rename(folder / f"{name}.json")
