"""How late requests are where replicas are asked for so much: the fluid rule, bent to what was measured.

Where lateness begins depends on what a fluid does not have: prompts that hold each other up, bursts within a tick, the
router. On one pool requests are late from 0.7 of its ρ_max, on another not below 1. But ticks with the load, the
replicas and the late requests of each are what a daemon sees, so the curve is learned: the late share by load per
replica, leaning on the fluid rule as far as little was measured, and made to rise (pooled adjacent violators). What is
late at any load (prompts too long for the target) is in its foot, the same for every setting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscaler.lateness import LATE
from autoscaler.tuning.past import Past

Floats = npt.NDArray[np.float64]

EDGES = np.array([0.0, 0.2, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.2, 1.4, 1.8, 2.5])
"""Cells of load per replica, in multiples of ρ_max; what is asked beyond the last counts there."""

PRIOR_TICKS = 2.0
"""The fluid rule counts in every cell as so many ticks of the requests of a mean tick."""


@dataclass(frozen=True, slots=True, eq=False)
class Lateness:
    """The share that is late (``late``, rising) at multiples ``asked`` of ρ_max, shapes (n,); held beyond the ends."""

    asked: Floats
    late: Floats

    def share(self, asked: Floats) -> Floats:
        """At any multiples."""
        return np.asarray(np.interp(asked, self.asked, self.late), dtype=np.float64)


CONFIGURED = Lateness(np.array(LATE), np.array([0.0, 1.0]))
"""The fluid rule."""


def learned(past: Past) -> Lateness:
    """The curve of a past; the fluid rule where nobody counted."""
    known = (past.serving > 0) & (past.ended > 0)
    if not known.any():
        return CONFIGURED
    cells = np.clip(np.searchsorted(EDGES, past.asked[known], "right") - 1, 0, len(EDGES) - 2)
    ended = np.bincount(cells, past.ended[known], len(EDGES) - 1)
    late = np.bincount(cells, past.late[known], len(EDGES) - 1)
    middles: Floats = (EDGES[1:] + EDGES[:-1]) / 2
    weights = np.asarray(ended + PRIOR_TICKS * float(past.ended[known].mean()), dtype=np.float64)
    shares = np.asarray((late + (weights - ended) * CONFIGURED.share(middles)) / weights, dtype=np.float64)
    return Lateness(middles, rising(shares, weights))


def rising(values: Floats, weights: Floats) -> Floats:
    """The nearest rising sequence in weighted least squares: neighbours that fall are pooled to their mean."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, wa, na), (b, wb, nb) = blocks[-2:]
            blocks[-2:] = [((a * wa + b * wb) / (wa + wb), wa + wb, na + nb)]
    return np.repeat([value for value, _, _ in blocks], [count for _, _, count in blocks])
