"""Every contender by the name that ``--against`` knows. A new peer is one line here.

``NAME@VALUE`` sets a peer's main knob, the one that its operators turn: ``hpa@32`` aims at 32 requests per replica.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Contender, Ours, Peer
from autoscaler.peers.aibrix import AibrixApa
from autoscaler.peers.dynamo.planner import Dynamo
from autoscaler.peers.hpa import Hpa
from autoscaler.peers.hpa_behavior import Behavior
from autoscaler.peers.keda import Keda, KedaSlo
from autoscaler.peers.knative import Knative
from autoscaler.peers.ray_serve import RayServe
from autoscaler.peers.rule import Rule
from autoscaler.peers.wva import WvaV2

OURS = "leadtime"

ADAPTER_LAG_S = 30.0
"""What the metrics adapter in front of HPA adds to the scrape interval (its relist period)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A peer's rule, what its metrics lag behind the scrape, and the options that make the variant."""

    rule: Callable[..., Rule]
    lag_s: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def knob(self) -> tuple[str, tuple[float, ...]]:
        """The main knob's keyword, and the values worth trying."""
        name, values = self.rule.KNOB  # type: ignore[attr-defined]
        return name, values

    def contender(self, case: Case, knob: float | None = None) -> Contender:
        """A fresh one; its main knob as given, or at its default."""
        turned = {} if knob is None else {self.knob[0]: knob}
        return Peer(case, self.rule(case.terms(), **turned, **self.options), self.lag_s)


PEERS: dict[str, Entry] = {
    "hpa": Entry(Hpa, ADAPTER_LAG_S),
    "hpa-behavior": Entry(Hpa, ADAPTER_LAG_S, {"behavior": Behavior()}),
    "keda": Entry(Keda),
    "keda-slo": Entry(KedaSlo),
    "knative": Entry(Knative),
    "aibrix-apa": Entry(AibrixApa),
    "aibrix-apa-hpa-like": Entry(AibrixApa, options={"as_coded": False}),
    "wva": Entry(WvaV2),
    "dynamo": Entry(Dynamo),
    "ray-serve": Entry(RayServe),
}

NAMES = (OURS, *PEERS)


def split(name: str) -> tuple[str, float | None]:
    """``hpa@32`` as ("hpa", 32.0). Raises ValueError, with what would be right, for what is no contender."""
    plain, _, value = name.partition("@")
    if plain not in NAMES:
        raise ValueError(f"{plain}: not known; give any of {', '.join(NAMES)}")
    if not value:
        return plain, None
    try:
        knob = float(value)
    except ValueError:
        raise ValueError(f"{name}: {value!r} is not a number; give {plain}@NUMBER") from None
    if plain == OURS:
        raise ValueError(f"{name}: ours has no single knob; give a policy file")
    return plain, knob


def contender(name: str, case: Case) -> Contender:
    """A fresh contender by name, with or without a knob; raises ValueError as ``split``."""
    plain, knob = split(name)
    return Ours(case) if plain == OURS else PEERS[plain].contender(case, knob)
