"""How long pods took until they were ready, from their own timestamps: the lead time of a cold start. Pure.

Only a start that was seen to happen is measured: a pod that is met ready may have become so a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.fleet import LeadTimeSample
from runtime.kubernetes.pods import PodState, Situation
from runtime.replica import Tier

Key = tuple[str, str]


@dataclass(slots=True)
class Starts:
    """Remembers who is starting, and on which nodes a placeholder was when they began."""

    starting: dict[Key, frozenset[str]] = field(default_factory=dict)

    def seen(self, key: Key, here: Sequence[PodState], now_s: float) -> list[LeadTimeSample]:
        """Starts that have ended since the last look at this pool."""
        before = self.starting.get(key, frozenset())
        self.starting[key] = frozenset(p.uid for p in here if p.counted and not p.ready and not p.served)
        ended = [p for p in here if p.uid in before and p.situation is Situation.READY and p.restarts == 0]
        return [
            LeadTimeSample(key[1], Tier.COLD, pod.ready_s - pod.created_s, pod.ready_s)
            for pod in ended
            if pod.ready_s is not None
        ]
