"""How fast we call: a token bucket of our own, and a pause of everything when the server asks for one. Pure."""

from __future__ import annotations


class Throttle:
    """``rate_per_s`` calls a second on average, ``burst`` at once. Times are passed in, seconds of any one clock."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        if rate_per_s <= 0 or burst < 1:
            raise ValueError(f"rate_per_s {rate_per_s:g} and burst {burst} must be above 0")
        self.rate_per_s = rate_per_s
        self.burst = burst
        self._free_s = float("-inf")
        self._paused_until_s = float("-inf")

    def take(self, now_s: float) -> float:
        """Take a turn; gives the moment at which the call may start, ``now_s`` or later.

        The bucket is kept as the time at which the next call would be due if all were evenly spaced: a call may be
        ``burst - 1`` spacings ahead of that.
        """
        spacing_s = 1.0 / self.rate_per_s
        due_s = max(self._free_s, now_s - (self.burst - 1) * spacing_s)
        self._free_s = due_s + spacing_s
        return max(now_s, due_s, self._paused_until_s)

    def pause(self, until_s: float) -> None:
        """No call starts before then."""
        self._paused_until_s = max(self._paused_until_s, until_s)
