"""Every contender by the name that ``--against`` knows. A new peer is one line here.

``NAME@VALUE`` sets a peer's main knob, the one that its operators turn: ``hpa@32`` aims at 32 requests per replica.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoscaler.backtest.case import Case, offered_load
from autoscaler.backtest.contenders import Contender, Ours, Peer
from autoscaler.peers.aibrix import AibrixApa
from autoscaler.peers.dynamo.planner import Dynamo
from autoscaler.peers.hpa import Hpa
from autoscaler.peers.hpa_behavior import Behavior
from autoscaler.peers.keda import Keda, KedaSlo
from autoscaler.peers.knative import Knative
from autoscaler.peers.oracle import Bound, Oracle, least
from autoscaler.peers.ray_serve import RayServe
from autoscaler.peers.rule import Rule
from autoscaler.peers.static import StaticMean, StaticPeak
from autoscaler.peers.wva import WvaV2
from runtime.replica import Tier

OURS = "leadtime"

ORACLE_BIN_S = 15.0
"""The oracle knows the load in bins of this length: several TTFT targets."""

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


@dataclass(frozen=True, slots=True)
class Hindsight(Entry):
    """A rule that is told the whole load beforehand, in bins of ``bin_s``: fleets sized in hindsight."""

    bin_s: float = 60.0

    def contender(self, case: Case, knob: float | None = None) -> Contender:
        """As ``Entry``."""
        turned = {} if knob is None else {self.knob[0]: knob}
        load = offered_load(case.pool, case.trace, self.bin_s)
        return Peer(case, self.rule(case.terms(), load, case.rho().value, **turned), self.lag_s)


@dataclass(frozen=True, slots=True)
class Clairvoyant(Entry):
    """The oracle at work: the cheapest schedule for the known load, carried out in the simulator."""

    def contender(self, case: Case, knob: float | None = None) -> Contender:
        """As ``Entry``; its knob is the share of the load that it carries."""
        bound = least_of(case, knob)
        lead_s = case.pool.lead_times[Tier.COLD].p90_s
        return Peer(case, Oracle(bound, start_s=case.start_s, bin_s=ORACLE_BIN_S, lead_s=lead_s), self.lag_s)


def least_of(case: Case, attainment: float | None = None) -> Bound:
    """What no policy can go below on this case, in the fluid model (``autoscaler.peers.oracle`` says which bound)."""
    bounds = case.policy.replicas
    return least(
        offered_load(case.pool, case.trace, ORACLE_BIN_S),
        bin_s=ORACLE_BIN_S,
        rho_max=case.rho().value,
        lead_s=case.pool.lead_times[Tier.COLD].p50_s,
        min_replicas=max(1, bounds.min),
        max_replicas=bounds.max,
        attainment=case.policy.slo.attainment if attainment is None else attainment,
    )


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
    "static-peak": Hindsight(StaticPeak),
    "static-mean": Hindsight(StaticMean),
    "oracle": Clairvoyant(Oracle),
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


def case_for(name: str, case: Case) -> Case:
    """The case as that contender plays it: the peers' rules know one pool, so theirs is the first alone."""
    return case if split(name)[0] == OURS else case.alone()


def contender(name: str, case: Case) -> Contender:
    """A fresh contender by name, with or without a knob; raises ValueError as ``split``."""
    plain, knob = split(name)
    return Ours(case) if plain == OURS else PEERS[plain].contender(case, knob)
