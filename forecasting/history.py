"""What an expert sees of a series: a stretch of regular cells, on the square-root scale, with its gaps.

Counts have about the same spread at every level on that scale, and a zero is an ordinary number on it, where
logarithms and ratios explode. A gap is NaN, inside the stretch and beyond both of its ends; it is never a zero.
Cells are numbered ``floor(UTC seconds / step_s)``, so the same minute has the same number on every day's clock
and in every time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
T = TypeVar("T")

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: ``taus`` quantiles, ``horizons`` cells ahead (ascending), of the greatest cell until then, or,
    where ``peak`` is false, of the cell at the horizon itself.
    """

    horizons: tuple[int, ...]
    taus: tuple[float, ...]
    peak: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """``roots`` (n,): square roots of the values of cells ``first`` … ``first + n − 1``; NaN is a gap."""

    step_s: float
    first: int
    roots: Array
    _views: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def view(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once for each key: several experts look at a history in the same way."""
        if key not in self._views:
            self._views[key] = make()
        return cast(T, self._views[key])

    @property
    def last(self) -> int:
        """Number of the newest cell."""
        return self.first + len(self.roots) - 1

    @property
    def day(self) -> int:
        """Cells in a day."""
        return round(DAY_S / self.step_s)

    def at(self, first: int, last: int) -> Array:
        """Cells ``first`` … ``last`` inclusive; NaN where nothing is known."""
        wanted = np.full(last - first + 1, np.nan)
        low, high = max(first, self.first), min(last, self.last)
        if low <= high:
            wanted[low - first : high - first + 1] = self.roots[low - self.first : high - self.first + 1]
        return wanted

    def until(self, last: int) -> History:
        """The same history as it was when cell ``last`` closed."""
        return History(self.step_s, self.first, self.roots[: max(0, last - self.first + 1)])

    def truth(self, first: int, last: int, target: Target) -> Array:
        """What came after cells ``first`` … ``last``: roots of shape (last − first + 1, horizons).

        NaN where it is not known yet, or where a gap hides it.
        """
        deepest = target.horizons[-1]
        ahead = sliding_window_view(self.at(first + 1, last + deepest), deepest)
        if target.peak:
            ahead = np.maximum.accumulate(ahead, axis=1)
        return np.asarray(ahead[:, np.array(target.horizons) - 1], dtype=np.float64)
