"""One pool of a local fleet: its target, and how long its next start waits after failures."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.fleet import PoolTarget
from runtime.local.spec import EngineSpec, LocalSpec, Sleep


@dataclass(slots=True)
class Lane:
    """``in_a_row`` are failures without a replica that served for long between them; ``decision`` asked for the
    target.
    """

    engine: EngineSpec
    target: PoolTarget
    in_a_row: int = 0
    start_after_s: float = 0.0
    decision: str = ""

    def failed(self, now_s: float, served_s: float, spec: LocalSpec) -> None:
        """A replica was lost after serving that long. The first is replaced at once, then the pause doubles."""
        self.in_a_row = 1 if served_s >= spec.steady_s else self.in_a_row + 1
        if self.in_a_row > 1:
            # Bounded before the power is taken: a crash loop may go on for weeks.
            doublings = min(self.in_a_row - 2, 32)
            self.start_after_s = now_s + min(spec.backoff_s * 2.0**doublings, spec.backoff_max_s)


def check(target: PoolTarget, engine: EngineSpec, slots: int) -> None:
    """Raises ValueError, in one line, for numbers that cannot be."""
    pool = f"pool {target.pool}"
    for name in ("active", "standby", "asleep", "warm_node"):
        if getattr(target, name) < 0:
            raise ValueError(f"{pool}: {name} {getattr(target, name)} is below 0; it must be 0 or more")
    if target.asleep and engine.sleep is Sleep.NONE:
        raise ValueError(
            f"{pool}: asleep {target.asleep}, and its engine has sleep none; hold standby instead, or give it a sleep"
        )
    if target.asleep > slots:
        raise ValueError(f"{pool}: asleep {target.asleep}, and one slot holds one of a pool; at most {slots}")
