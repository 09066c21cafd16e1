"""The expert that says: it will stay as it is now. Within minutes hardly anything beats it."""

from __future__ import annotations

import numpy as np

from forecasting.grid import Array, Grid


class LastValue:
    """The present cell's maximum, for every horizon."""

    name = "last_value"

    def bases(self, grid: Grid, first: int, last: int, horizons: tuple[int, ...]) -> Array:
        """See ``Expert.bases``."""
        return np.repeat(grid.values(first, last)[:, None], len(horizons), axis=1)
