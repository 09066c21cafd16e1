"""What an expert is: one idea of how a load goes on, told as quantiles.

An expert has no state. ``fit`` turns a history into a *model*, plain arrays that can be stored, versioned and sent
between processes; ``predict`` turns a model and a history into quantiles, for one origin or for weeks of them at once.
How far its quantiles are to be believed is measured by ``calibration``, and which expert to believe by ``combine``. So
a new idea, or a pretrained model of somebody else's, is one file with these two functions and one line in the
registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from forecasting.history import Array, History, Target

Model = Mapping[str, Array]
"""What an expert has learned, by name; empty where it learns nothing."""


class Expert(Protocol):
    """One idea. All values are square roots of the series' unit, as in ``History``."""

    name: str
    version: int
    """Raised whenever older models are no longer understood."""
    needs_s: float
    """Seconds of history before ``fit`` is worth its time; 0 where nothing is fitted."""

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        """Learn from a history; the same arguments give the same model. None where it does not suffice."""
        ...

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        """Quantiles as of every cell ``first`` … ``last``, from what was known when that cell closed.

        Shape (last − first + 1, horizons, taus); NaN where the expert has nothing to say.
        """
        ...
