"""A forecast: quantiles of the *maximum* offered load that may occur within each horizon."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forecast:
    """``values[h][q]`` is the ``taus[q]`` quantile, in erlangs, of the maximum offered load within
    ``horizons_s[h]`` of ``made_at_s``.

    Invariants: non-negative, non-decreasing along both axes.
    """

    service: str
    made_at_s: float
    horizons_s: tuple[float, ...]
    taus: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    model: str
    history_s: float
    weights: tuple[tuple[str, float], ...] = ()
    """Experts and their shares of what was told, averaged over horizons and quantiles; they add up to 1."""

    def quantile(self, horizon_s: float, tau: float) -> float:
        """Erlangs, interpolated linearly between horizons and quantiles and held at the ends."""
        return interpolated(
            horizon_s, self.horizons_s, lambda h: interpolated(tau, self.taus, lambda q: self.values[h][q])
        )


def interpolated(x: float, xs: Sequence[float], y: Callable[[int], float]) -> float:
    """``numpy.interp`` of one point, which asks only for the two values around it: ``y`` gives them by index."""
    after = bisect_right(xs, x)
    if after in (0, len(xs)):
        return y(min(after, len(xs) - 1))
    x0, y0 = xs[after - 1], y(after - 1)
    return (y(after) - y0) / (xs[after] - x0) * (x - x0) + y0
