"""Capacity that was asked for and does not come: sold out, unschedulable, or crashing at every start. Pure.

Whatever the reason, the fleet looks the same: more is wanted than serves, for far longer than a launch takes, and
nothing arrived meanwhile. Then no more is asked for than one, which finds out when there is capacity again; what
serves is kept. Works for every fleet, as it needs no word of why.
"""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE_LEADS = 2.0
"""Launches later than this many times their P90 are not late any more, they do not come: of lognormal lead times
whose P90 is 1.5 times the median, one in ten thousand takes that long."""

LEAST_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Ask:
    """``asked`` more than serve have been wanted since ``since_s``, and none came; ``had`` served at the last tick."""

    asked: int
    since_s: float
    had: int


def asking(before: Ask | None, wanted: int, serving: int, now_s: float) -> Ask | None:
    """What is still asked for after a decision that wants so many active replicas; None where nothing is."""
    if wanted <= serving:
        return None
    if before is None or serving > before.had:
        return Ask(wanted - serving, now_s, serving)
    return Ask(max(before.asked, wanted - serving), before.since_s, serving)


def overdue_s(ask: Ask | None, lead_s: float, now_s: float, leads: float = PATIENCE_LEADS) -> float | None:
    """For how long nothing has come, where that is longer than patience allows; ``lead_s`` is a launch's P90."""
    if ask is None:
        return None
    waited_s = now_s - ask.since_s
    return waited_s if waited_s > max(LEAST_PATIENCE_S, leads * lead_s) else None
