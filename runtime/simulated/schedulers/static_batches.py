"""Static batches: whoever waits when the engine is empty goes in together, whole; nobody joins a batch under way.

How models were served before continuous batching: the batch ends with its longest answer, and a request that comes a
moment late waits for all of them. The prompts of a batch are prefilled in one pass, however long that takes.
"""

from __future__ import annotations

from runtime.simulated.jit import jit
from runtime.simulated.state import EngineState

UNLIMITED_TOKENS = 1 << 30


@jit
def room(s: EngineState, row: int) -> int:
    """Prompt tokens that may be prefilled in this step."""
    return UNLIMITED_TOKENS if s.replicas[row].running == 0 else 0
