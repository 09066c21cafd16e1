"""Knative's memory of a metric: values in time buckets, their average over a window, and a sliding maximum.

Time is passed in, in seconds; a window that is partly filled is averaged over the part that is, and silence at its
end is not counted as zero. Formulas: ``aggregation/bucketing.go`` and ``aggregation/max``, Knative serving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DIGITS = 6
"""Averages are rounded to this many digits, so that the noise of adding and subtracting floats is not load."""


def smoothing(buckets: int) -> float:
    """Weight of the newest bucket such that a whole window carries 99.99 % of the weight, at least 0.2."""
    return max(1 - math.pow(1 - 0.9999, 1 / buckets), 0.2)


def rounded(value: float, digits: int = DIGITS) -> float:
    """Rounded, halves away from zero."""
    scale: float = 10.0**digits
    return math.copysign(math.floor(abs(value) * scale + 0.5), value) / scale


class Buckets:
    """Values summed per bucket of ``bucket_s`` seconds over the last ``window_s`` seconds."""

    def __init__(self, window_s: float, bucket_s: float = 1.0) -> None:
        self._bucket_s = bucket_s
        self._window_s = window_s
        self._values: dict[int, float] = {}
        self._first: int | None = None
        self._last: int | None = None

    @property
    def count(self) -> int:
        """Buckets in the window."""
        return math.ceil(self._window_s / self._bucket_s)

    @property
    def first_write_s(self) -> float | None:
        """Start of the earliest bucket that counts for the average."""
        return None if self._first is None else self._first * self._bucket_s

    def empty(self, now_s: float) -> bool:
        """Whether nothing was written for longer than the window."""
        return self._last is None or (self._index(now_s) - self._last) * self._bucket_s > self._window_s

    def record(self, now_s: float, value: float) -> None:
        """Add a value. A late one still counts if its bucket is in the window, and is dropped if it is not."""
        index = self._index(now_s)
        if self._last is not None and (self._last - index) * self._bucket_s >= self._window_s:
            return
        if self._last is None or (index - self._last) * self._bucket_s >= self._window_s:
            self._values, self._first, self._last = {}, index, index
        self._first = index if self._first is None else min(self._first, index)
        self._last = max(self._last, index)
        self._values[index] = self._values.get(index, 0.0) + value
        self._forget(self._last - self.count)

    def inside(self, now_s: float) -> list[tuple[float, float]]:
        """(bucket start in seconds, value) of what the window that ends now still holds, oldest first."""
        if self._last is None or self.empty(now_s):
            return []
        oldest = max(self._index(now_s), self._last) - self.count
        return [(index * self._bucket_s, self._values[index]) for index in sorted(self._values) if index > oldest]

    def average(self, now_s: float) -> float:
        """Mean per bucket over the buckets between the first and the last write; 0 after a window of silence."""
        if self._last is None or self._first is None:
            return 0.0
        silent = max(0, self._index(now_s) - self._last)
        if silent * self._bucket_s >= self._window_s:
            return 0.0
        oldest = self._last + silent - self.count
        total = sum(value for index, value in self._values.items() if index > oldest)
        return rounded(total / min(self._last - self._first + 1, self.count - silent))

    def resize(self, now_s: float, window_s: float) -> None:
        """Another window over the same values; values that the old window had already lost stay lost."""
        if window_s == self._window_s:
            return
        stale, kept = self.empty(now_s), self.count
        self._window_s = window_s
        if stale or self._last is None or self._first is None:
            self._values, self._first, self._last = {}, None, None
            return
        self._first = max(self._first, self._last - kept + 1)
        self._forget(self._last - min(kept, self.count))

    def _index(self, at_s: float) -> int:
        return math.floor(at_s / self._bucket_s)

    def _forget(self, index: int) -> None:
        for old in [known for known in self._values if known <= index]:
            del self._values[old]


class WeightedBuckets(Buckets):
    """A window whose average fades exponentially with age, so that the newest load counts most."""

    @property
    def coefficient(self) -> float:
        """Weight of the newest bucket."""
        return smoothing(self.count)

    def average(self, now_s: float) -> float:
        """Weighted sum over the window, newest first; 0 after a window of silence."""
        newest, weight = self._index(now_s), self.coefficient
        return sum(
            value * weight * (1 - weight) ** max(0, newest - self._index(at_s)) for at_s, value in self.inside(now_s)
        )


@dataclass(frozen=True, slots=True)
class MaxWindow:
    """The largest value of the last ``buckets`` buckets, this one included: one that is as old as that is out.

    ``entries`` are (bucket, value), oldest first and falling: nothing else can still become the maximum.
    """

    buckets: int
    bucket_s: float
    entries: tuple[tuple[int, int], ...] = ()

    @classmethod
    def over(cls, window_s: float, bucket_s: float) -> MaxWindow:
        """A window of so many seconds."""
        return cls(math.ceil(window_s / bucket_s), bucket_s)

    def record(self, now_s: float, value: int) -> MaxWindow:
        """The window with one more value."""
        index = math.floor(now_s / self.bucket_s)
        rest = tuple(entry for entry in self.entries if entry[0] > index - self.buckets and entry[1] > value)
        return MaxWindow(self.buckets, self.bucket_s, (*rest, (index, value)))

    @property
    def current(self) -> int:
        """The maximum; 0 before the first value."""
        return self.entries[0][1] if self.entries else 0
