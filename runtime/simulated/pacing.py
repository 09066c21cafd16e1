"""Virtual time, paced by the wall clock and held back for whoever is not ready yet.

At real speed (1) virtual time is wall time plus an offset. Above it, the speed is a wish: a client that said it
will act at a moment (a control loop at its next tick) stops time there until it has said when it acts next, so that
a decision at 600 times real speed sees exactly the world it would have seen at speed 1. A client that has gone
silent for ``LEASE_S`` holds nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LEASE_S = 5.0
"""Wall seconds after which a silent client no longer holds time back."""

MAX_DEBT_S = 2.0
"""Wall seconds of waiting that may be made up for afterwards; what was lost beyond that stays lost, so that a
process that stood still does not leap."""


@dataclass(slots=True)
class Pacer:
    """Where virtual time may be now. All wall times are passed in, monotonic seconds.

    Time that passes on the wall is owed to the virtual clock at ``speed``; what a hold keeps back is paid when it ends.
    """

    now_s: float
    speed: float
    wall_s: float
    owed_s: float = 0.0
    holds: dict[str, tuple[float, float]] = field(default_factory=dict)

    def hold(self, client: str, at_s: float, wall_s: float) -> None:
        """``client`` wants to act at virtual ``at_s``, and no sooner."""
        self.holds[client] = (at_s, wall_s)

    def release(self, client: str) -> None:
        """``client`` is gone."""
        self.holds.pop(client, None)

    def allowed(self, wall_s: float) -> float:
        """Virtual time at that wall time."""
        self.owed_s += self.speed * (wall_s - self.wall_s)
        self.wall_s = wall_s
        before_s = self.now_s
        if self.speed != 1.0:
            self.owed_s = min(self.owed_s, self.speed * MAX_DEBT_S)
        self.now_s = max(before_s, before_s + self.owed_s)  # rounding may leave a debt a hair below zero
        if self.speed != 1.0:
            self._held_back(before_s, wall_s)
        self.owed_s -= self.now_s - before_s
        return self.now_s

    def reached(self, now_s: float) -> None:
        """The world got only this far; the rest stays owed."""
        self.owed_s += self.now_s - now_s
        self.now_s = now_s

    def _held_back(self, before_s: float, wall_s: float) -> None:
        for client, (at_s, since_s) in list(self.holds.items()):
            if at_s <= before_s and wall_s - since_s > LEASE_S:
                del self.holds[client]
            else:
                self.now_s = min(self.now_s, max(at_s, before_s))
