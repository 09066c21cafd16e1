"""Real vLLM at the pace of a larger model: each step lasts what a law says, and nobody spins meanwhile.

Three engines of a tiny model that run as fast as they can fill two cores, and what one is given the others lack. With
``--scheduler-cls benchmarks.real.paced.PacedScheduler`` (``PacedLarry``, ``PacedPredicted``) a step ends no sooner
than ``a + b·N + k·K + p·P`` ms (DESIGN 4), given as ``LEADTIME_PACED_STEP_MS=a,b,k,p``: N sequences decode and read K
thousand tokens, P thousand are prefilled. What the cores do within that time is as free as a GPU's host is. With
``--worker-extension-cls benchmarks.real.paced.Quiet`` processes of the engine that wait for each other sleep instead
of spinning for a second. Everything else is vLLM's own.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from vllm.distributed.device_communicators.shm_broadcast import SpinCondition
from vllm.v1.core.sched.async_scheduler import AsyncScheduler

from runtime.schedulers.larry import LarryScheduler
from runtime.schedulers.predicted import PredictedScheduler

if TYPE_CHECKING:
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler as Scheduler
else:
    Scheduler = object

SPIN_S = 0.001
_wait = SpinCondition.wait


def _wait_quietly(self: Any, timeout_ms: int | None = None) -> None:
    self.busy_loop_s = SPIN_S
    _wait(self, timeout_ms)


SpinCondition.wait = _wait_quietly


class Quiet:
    """Nothing of its own: that a worker has read this module is enough."""


class Paced(Scheduler):
    """Before a scheduler's class: its steps take their time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._law_ms = tuple(float(number) for number in os.environ["LEADTIME_PACED_STEP_MS"].split(","))
        self._ends_s = 0.0

    def schedule(self, *args: Any, **kwargs: Any) -> Any:
        """One step, and when it may end."""
        began_s = time.monotonic()
        made = super().schedule(*args, **kwargs)
        counts = made.num_scheduled_tokens
        decodes = [name for name, tokens in counts.items() if tokens == 1]
        read = sum(self.requests[name].num_computed_tokens for name in decodes)
        a, b, k, p = self._law_ms
        prefilled = made.total_num_scheduled_tokens - len(decodes)
        lasts_ms = a + b * len(decodes) + (k * read + p * prefilled) / 1000 if counts else 0.0
        self._ends_s = began_s + lasts_ms / 1000
        return made

    def update_from_output(self, *args: Any, **kwargs: Any) -> Any:
        """Tokens are there once the step is over."""
        time.sleep(max(0.0, self._ends_s - time.monotonic()))
        return super().update_from_output(*args, **kwargs)


class PacedScheduler(Paced, AsyncScheduler):
    """vLLM's own."""


class PacedLarry(Paced, LarryScheduler):
    """LARRY."""


class PacedPredicted(Paced, PredictedScheduler):
    """Shortest predicted first."""
