"""Every contender by the name that ``--against`` knows. A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import Contender, Ours, Peer
from autoscaler.peers.hpa import Hpa
from autoscaler.peers.keda import Keda, KedaSlo
from autoscaler.peers.knative import Knative

OURS = "leadtime"

ADAPTER_LAG_S = 30.0
"""What the metrics adapter in front of HPA adds to the scrape interval (its relist period)."""

CONTENDERS: dict[str, Callable[[Case], Contender]] = {
    OURS: Ours,
    "hpa": lambda case: Peer(case, Hpa(case.terms()), ADAPTER_LAG_S),
    "keda": lambda case: Peer(case, Keda(case.terms())),
    "keda-slo": lambda case: Peer(case, KedaSlo(case.terms())),
    "knative": lambda case: Peer(case, Knative(case.terms())),
}


def contender(name: str, case: Case) -> Contender:
    """A fresh contender; raises KeyError for a name that nobody has."""
    return CONTENDERS[name](case)
