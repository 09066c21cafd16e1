"""The load-duration curve: how large a share of the time the load is how high.

Whether a replica is worth a commitment depends on how long it is needed, not on when. Long series are summarised in a
few hundred steps, each as high as the highest load in it, so that a plan is never smaller than what was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

POINTS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """``erlangs`` (k,) from the highest down, and ``share`` (k,) of the time that each lasts; they sum to 1."""

    erlangs: Array
    share: Array

    @property
    def mean(self) -> float:
        """Mean load, erlangs."""
        return float(self.erlangs @ self.share)

    def scaled(self, factor: float) -> Curve:
        """The same hours at so many times the load."""
        return Curve(self.erlangs * factor, self.share)

    def counts(self, rule: Callable[[float], int]) -> Counts:
        """(k,) replicas that a rule wants at each load."""
        return np.array([rule(float(load)) for load in self.erlangs], dtype=np.int64)


def curve(erlangs: Array, points: int = POINTS) -> Curve:
    """Of loads in steps of equal length, (n,)."""
    ordered = np.sort(erlangs)[::-1]
    ends = np.linspace(0, len(ordered), min(points, len(ordered)) + 1).astype(np.int64)
    return Curve(ordered[ends[:-1]], np.diff(ends) / len(ordered))


def joined(curves: Sequence[Curve], weights: Sequence[float]) -> Curve:
    """Several curves in one, each for its part of the time; weights sum to 1."""
    loads = np.concatenate([one.erlangs for one in curves])
    share = np.concatenate([one.share * weight for one, weight in zip(curves, weights, strict=True)])
    order = np.argsort(-loads, kind="stable")
    return Curve(loads[order], share[order])
