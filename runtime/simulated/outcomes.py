"""What became of the requests: attainment as a reader feels it, latencies, tokens, per service.

Attainment is the deadline form of DESIGN 3: first token within the TTFT target (which may grow with the prompt) and
the last one by ``TTFT target + TPOT target·(O - 1)``; strict attainment wants TTFT and the request's own mean TPOT
each within target. A rejected or lost request is a miss of both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.simulated.state import REASON_LENGTH, REASON_LOST, REASON_STOP

_EDGES = np.geomspace(1e-4, 1e5, 4200)


@dataclass(frozen=True, slots=True)
class LatencyTarget:
    """The promise that requests are held to, in seconds."""

    ttft_s: float
    ttft_s_per_1k_tokens: float
    tpot_s: float


@dataclass(slots=True)
class Outcomes:
    """Running totals of one service; percentiles come from a logarithmic histogram (0.5 % wide cells)."""

    target: LatencyTarget
    requests: int = 0
    rejected: int = 0
    lost: int = 0
    attained: int = 0
    attained_strictly: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    ttft: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(_EDGES) + 1, np.int64))
    tpot: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(_EDGES) + 1, np.int64))

    def add(self, ended: npt.NDArray[Any]) -> None:
        """Count what was served or lost, an (n,) array of REQUEST records; what a client aborted says nothing."""
        served = ended[(ended["reason"] == REASON_STOP) | (ended["reason"] == REASON_LENGTH)]
        lost = int(np.sum(ended["reason"] == REASON_LOST))
        self.requests += len(served) + lost
        self.lost += lost
        ttft = served["first_token"] - served["arrival"]
        decode = served["finish"] - served["first_token"]
        tokens_after = served["output"] - 1
        tpot = decode / np.maximum(tokens_after, 1)
        limit = self.target.ttft_s + self.target.ttft_s_per_1k_tokens * served["input"] / 1000
        in_time = ttft <= limit
        self.attained += int(np.sum(in_time & (ttft + decode <= limit + self.target.tpot_s * tokens_after)))
        self.attained_strictly += int(np.sum(in_time & (tpot <= self.target.tpot_s)))
        self.input_tokens += int(served["input"].sum())
        self.output_tokens += int(served["output"].sum())
        self.ttft += np.bincount(np.searchsorted(_EDGES, ttft), minlength=len(self.ttft))
        self.tpot += np.bincount(np.searchsorted(_EDGES, tpot[tokens_after > 0]), minlength=len(self.tpot))

    def reject(self, count: int) -> None:
        """Count requests that were turned away."""
        self.requests += count
        self.rejected += count

    def attainment(self) -> float | None:
        """Share of requests that met the promise, None before the first."""
        return self.attained / self.requests if self.requests else None

    def attainment_strict(self) -> float | None:
        """The strict form of it."""
        return self.attained_strictly / self.requests if self.requests else None


def percentiles(counts: npt.NDArray[np.int64]) -> dict[str, float | None]:
    """p50, p90 and p99 in seconds of a histogram of ``Outcomes``; None where it is empty."""
    total = int(counts.sum())
    if total == 0:
        return {"p50": None, "p90": None, "p99": None}
    cumulative = np.cumsum(counts)
    cells = {q: int(np.searchsorted(cumulative, q / 100 * total)) for q in (50, 90, 99)}
    return {f"p{q}": float(_EDGES[min(cell, len(_EDGES) - 1)]) for q, cell in cells.items()}
