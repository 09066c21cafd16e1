"""Engine schedulers: who joins the batch, when, and who gives way. One small file each; this is where they register.

A scheduler is some of five rules, and where it has none of its own, vLLM's holds (first come, first served): ``line``
(which waiting line a request joins), ``pick`` (who is next), ``room`` (prompt tokens for this step), ``admits`` (may
that one join now) and ``victim`` (who gives way when no block is free). The choice of a scheduler is its place in
``SCHEDULERS``, so that one compiled engine serves them all; those from ``shortest-predicted`` on keep lines by class
and learn lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.simulated.jit import jit
from runtime.simulated.schedulers import adaptive_budget, larry, shortest_predicted, static_batches
from runtime.simulated.state import EngineState

SCHEDULERS = ("fcfs-chunked", "fcfs", "static", "adaptive", "shortest-predicted", "larry")

FCFS_CHUNKED, FCFS, STATIC, ADAPTIVE, SHORTEST_PREDICTED, LARRY = range(len(SCHEDULERS))


@dataclass(frozen=True, slots=True)
class Scheduling:
    """A scheduler by name and the targets that some derive their rules from, seconds."""

    name: str = SCHEDULERS[0]
    ttft_s: float = 2.0
    tpot_s: float = 0.05

    @property
    def number(self) -> int:
        """Its place in SCHEDULERS; raises ValueError, naming those there are."""
        if self.name not in SCHEDULERS:
            raise ValueError(f"no scheduler {self.name!r}; there are {', '.join(SCHEDULERS)}")
        return SCHEDULERS.index(self.name)


def schedule_by(state: EngineState, row: int, scheduling: Scheduling) -> None:
    """Let a fresh engine schedule so. Raises ValueError as ``Scheduling.number`` does."""
    engine = state.replicas[row]
    engine["scheduler"], engine["tpot_s"] = scheduling.number, scheduling.tpot_s
    engine["patience_s"] = 2 * scheduling.ttft_s


@jit
def line(s: EngineState, row: int, slot: int) -> int:
    """The waiting line of a request that arrives."""
    if s.replicas[row].scheduler == SHORTEST_PREDICTED:
        return shortest_predicted.line(s, row, slot)
    if s.replicas[row].scheduler == LARRY:
        return larry.line(s, row, slot)
    return 0


@jit
def demand(s: EngineState, row: int, slot: int) -> int:
    """KV blocks to count for a request, where demands are counted."""
    return larry.demand(s, row, slot) if s.replicas[row].scheduler == LARRY else 0


@jit
def pick(s: EngineState, row: int) -> int:
    """The waiting request that is next; some request waits."""
    if s.line_head[row, 0] >= 0:
        return s.line_head[row, 0]
    if s.replicas[row].scheduler == SHORTEST_PREDICTED:
        return shortest_predicted.pick(s, row)
    return larry.pick(s, row)


@jit
def room(s: EngineState, row: int) -> int:
    """Prompt tokens that may be prefilled in this step."""
    rep = s.replicas[row]
    if rep.scheduler == STATIC:
        return static_batches.room(s, row)
    if rep.scheduler == ADAPTIVE:
        return adaptive_budget.room(s, row)
    return rep.budget - rep.decoding


@jit
def admits(s: EngineState, row: int, slot: int, tokens: int, left: int) -> bool:
    """Whether a request of so many uncomputed tokens may join while ``left`` of the step's room are not taken."""
    rep = s.replicas[row]
    if rep.scheduler == FCFS:
        # vLLM without chunks wants the budget above the longest prompt; so the first of a step always goes.
        return rep.prefills == 0 or tokens <= left
    return rep.scheduler != LARRY or larry.admits(s, row, slot)


@jit
def victim(s: EngineState, row: int, slot: int) -> int:
    """Who gives way so that ``slot`` gets its blocks: one from there on."""
    return larry.victim(s, row, slot) if s.replicas[row].scheduler == LARRY else s.replicas[row].run_tail
