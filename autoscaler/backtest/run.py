"""One contender on one case, from its first request to its last."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import SCRAPE_S, Contender, Ours, Peer
from autoscaler.backtest.faults import Fault, due
from runtime.simulated.summary import summarise
from runtime.simulated.world import World

Progress = Callable[[float], None]
"""Told the share that is done, 0 to 1, now and then."""

LONGEST_TAIL_S = 6 * 3600.0
"""A fleet that has not served its last request so long after the trace's end never will."""

TIMELINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """``row`` has the field names of DESIGN 5, and the ``pools`` that could be used; ``timeline`` (seconds from the
    start, serving, wanted) once a minute.
    """

    row: dict[str, Any]
    timeline: tuple[tuple[float, int, int], ...]


def run(
    case: Case,
    contender: Contender,
    progress: Progress | None = None,
    name: str | None = None,
    script: Sequence[Fault] = (),
) -> Result:
    """Play the whole case; deterministic for its seed. The row is told under ``name``, or the contender's own.

    What ``script`` holds happens at the first look after its time.
    """
    started_s = time.perf_counter()
    world = case.world()
    world.slice_s = SCRAPE_S
    end_s = world.workload.end_s or world.now_s
    timeline: list[tuple[float, int, int]] = []
    since_s = 0.0
    while not world.finished and world.now_s < end_s + LONGEST_TAIL_S:
        before_s, since_s = since_s, _next(since_s, contender.interval_s)
        world.run_until(case.start_s + since_s)
        for fault in due(script, before_s, since_s):
            fault.happen(world)
        _act(contender, world, since_s)
        if _due(since_s, TIMELINE_S):
            serving = int(world.replicas.rotation.counts[0])
            timeline.append((since_s, serving, sum(lane.target.active for lane in world.replicas.lanes)))
            if progress:
                progress(min(1.0, since_s / (end_s - case.start_s)))
    told = {"policy": name or contender.name, "pools": [pool.name for pool in case.pools]}
    row = summarise(world)[0] | told | {"wall_s": time.perf_counter() - started_s}
    return Result(row, tuple(timeline))


def _next(since_s: float, interval_s: float) -> float:
    """The next moment at which somebody looks: the contender, or its metrics' scraper.

    Counted from the start: UTC seconds are so large that they round off more than the tolerances here allow.
    """
    steps = (interval_s, SCRAPE_S, TIMELINE_S)
    return min((math.floor(since_s / step + 1e-9) + 1) * step for step in steps)


def _act(contender: Contender, world: World, since_s: float) -> None:
    if isinstance(contender, Peer) and _due(since_s, SCRAPE_S):
        contender.scrape(world)
    if not _due(since_s, contender.interval_s):
        return
    if isinstance(contender, Ours):
        world.set_targets(contender.targets(world))
    else:
        target = contender.target(world)
        if target is not None:
            world.set_targets([target])


def _due(since_s: float, every_s: float) -> bool:
    return abs(since_s / every_s - round(since_s / every_s)) < 1e-6
