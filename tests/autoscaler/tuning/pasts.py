"""Small pasts to tune on: a load that rises and falls, foreseen a little too high, and a fleet that follows it."""

from __future__ import annotations

import math
from dataclasses import replace

from autoscaler.policy import Policy
from autoscaler.tuning.past import Moment, Past
from tests.autoscaler.cases import NOW_S

POLICY = Policy.model_validate({"replicas": {"min": 1, "max": 40}, "tuning": {"mode": "auto"}})
TICK_S = 15.0
RHO = 0.5


def load(tick: int) -> float:
    """Erlangs: a wave of two hours between one and five, with a burst in each."""
    wave = 3 - 2 * math.cos(2 * math.pi * tick / 480)
    return wave * (1.5 if tick % 480 in range(200, 212) else 1.0)


def moment(tick: int, **changes: object) -> Moment:
    """A tick with enough replicas, nobody late."""
    erlangs = load(tick)
    serving = math.ceil(erlangs / RHO * 1.2)
    base = Moment(
        at_s=NOW_S + TICK_S * tick,
        seconds=TICK_S,
        erlangs=erlangs,
        requests=erlangs * 100,
        rho=RHO,
        sequences_per_erlang=60.0,
        demand=tuple(erlangs * factor for factor in (1.0, 1.1, 1.2, 1.3, 1.6)),
        ended=erlangs * 100,
        late=0.0,
        serving=serving,
        billed=serving,
        counted=True,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def moments(hours: float = 8.0, late: float = 0.0) -> list[Moment]:
    """So many hours, with that share late at every tick."""
    return [moment(tick, late=late * load(tick) * 100) for tick in range(int(hours * 240))]


def past(hours: float = 8.0, late: float = 0.0) -> Past:
    """The same as arrays."""
    return Past.of(moments(hours, late))
