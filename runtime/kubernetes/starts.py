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
    """Remembers who is starting, and which nodes placeholders have held: image and weights may be on those."""

    starting: dict[Key, frozenset[str]] = field(default_factory=dict)
    held: dict[Key, set[str]] = field(default_factory=dict)

    def holding(self, key: Key, placeholders: Sequence[PodState]) -> None:
        """Placeholders as they are now."""
        self.held.setdefault(key, set()).update(pod.node for pod in placeholders if pod.ready)

    def seen(self, key: Key, here: Sequence[PodState]) -> list[LeadTimeSample]:
        """Starts that have ended since the last look at this pool."""
        before, held = self.starting.get(key, frozenset()), self.held.get(key, set())
        self.starting[key] = frozenset(p.uid for p in here if p.counted and not p.ready and not p.served)
        ended = [p for p in here if p.uid in before and p.situation is Situation.READY and p.restarts == 0]
        return [
            LeadTimeSample(
                key[1], Tier.WARM_NODE if pod.node in held else Tier.COLD, pod.ready_s - pod.created_s, pod.ready_s
            )
            for pod in ended
            if pod.ready_s is not None
        ]
