"""GPUs that several services share: each sleeps on all of them, with its weights in host memory, until it is needed.

A rack is what makes a sleeping model cheap: whoever needs GPUs wakes on those that nobody is awake on, and in between
they work for somebody else (DESIGN 4). It belongs to no service, so neither does the cost of what is idle.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.pool import LeadTime


@dataclass(frozen=True, slots=True)
class Rack:
    """``gpus`` of one type held at the start, and never more than ``max_gpus``.

    ``lead_time`` passes until more GPUs are there, however many were asked for at once. ``lent_share`` of the price is
    charged for a GPU that nobody is awake on: whoever borrows it meanwhile pays the rest, and at 1.0 nobody does.
    Raises ValueError, one line, for a rack that cannot be.
    """

    name: str
    gpu: str
    price_usd_per_gpu_hour: float
    gpus: int
    max_gpus: int
    lead_time: LeadTime
    lent_share: float = 1.0
    gpus_per_node: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.gpus <= self.max_gpus:
            raise ValueError(f"rack {self.name}: gpus {self.gpus} is not within 0 and max_gpus {self.max_gpus}")
        if not 0.0 <= self.lent_share <= 1.0:
            raise ValueError(f"rack {self.name}: lent_share {self.lent_share} is not within 0 and 1")
        if self.gpus_per_node < 1:
            raise ValueError(f"rack {self.name}: gpus_per_node {self.gpus_per_node} is below 1")
