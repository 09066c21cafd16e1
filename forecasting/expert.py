"""What an expert is: one simple idea of how the load goes on, without any claim about its own error.

An expert gives one number per horizon, its best guess of the maximum to come. How wrong it tends to be is
measured by ``calibration`` and which expert to believe by ``combine``, so a new expert is one file with one
method and one line in ``forecaster.EXPERTS``.
"""

from __future__ import annotations

from typing import Protocol

from forecasting.grid import Array, Grid


class Expert(Protocol):
    """A guess at the maximum offered load over the coming cells."""

    name: str

    def bases(self, grid: Grid, first: int, last: int, horizons: tuple[int, ...]) -> Array:
        """Guesses as of every cell ``first`` … ``last``, from what was known when that cell closed.

        ``horizons`` are in cells, ascending. Shape (last − first + 1, len(horizons)), erlangs, NaN where the
        expert has nothing to say.
        """
        ...
