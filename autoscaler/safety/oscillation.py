"""A fleet that goes out and in and out again pays for every move and is never ready: seen here, and calmed. Pure.

A *turn* is a move in the other direction than the one before. Where too many of them fall into a window the service is
*restless*: for a while the scale-in window and the cooldown are longer, so that it stays on the high side. Nothing
about scaling out changes, and a day's rise and fall (two turns) is far from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.policy import Oscillation


@dataclass(frozen=True, slots=True)
class Restlessness:
    """``turns`` are (at_s, +1 out or -1 in) of recent turns, oldest first; restless before ``until_s``."""

    turns: tuple[tuple[float, int], ...] = ()
    until_s: float | None = None

    def factor(self, rule: Oscillation, now_s: float) -> float:
        """What the scale-in window and the cooldown are multiplied by now."""
        return rule.widen if self.until_s is not None and now_s < self.until_s else 1.0


def moved(before: Restlessness, direction: int, now_s: float, rule: Oscillation) -> Restlessness:
    """The memory after a decision that went out (+1), in (-1) or nowhere (0)."""
    turns = tuple(turn for turn in before.turns if now_s - rule.within_s <= turn[0] <= now_s)
    last = before.turns[-1][1] if before.turns else 0
    if direction == 0 or direction == last:
        # The last turn is kept, however old: it says which way the fleet went.
        return Restlessness(turns or before.turns[-1:], before.until_s)
    turns = (*turns, (now_s, direction))
    restless = len(turns) >= rule.turns
    return Restlessness(turns, now_s + rule.calm_s if restless else before.until_s)
