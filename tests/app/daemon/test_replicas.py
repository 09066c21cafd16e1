"""Every replica is counted once, and only those with a process are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.daemon.replicas import held, targets
from autoscaler.counts import answers, counts_of
from autoscaler.decision import TierCounts
from runtime.replica import Replica, Tier, Transition
from tests.app.fakes import POOL, replica


def one(tier: Tier, transition: Transition | None = None) -> Replica:
    return replace(replica(0, tier), transition=transition)


@pytest.mark.parametrize(
    ("tier", "transition", "counted", "asked"),
    [
        (Tier.ACTIVE, None, "active", True),
        (Tier.STANDBY, None, "standby", True),
        (Tier.ASLEEP, None, "asleep", True),
        (Tier.WARM_NODE, None, "warm_node", False),
        (Tier.ACTIVE, Transition.LAUNCHING, "launching", False),
        (Tier.ACTIVE, Transition.WAKING, "waking", True),
        (Tier.STANDBY, Transition.LAUNCHING, "preparing", False),
        (Tier.ASLEEP, Transition.WAKING, "preparing", True),
        (Tier.COLD, Transition.DRAINING, "draining", True),
        (Tier.ACTIVE, Transition.FAILED, "failed", False),
    ],
)
def test_a_state_is_counted_once(tier: Tier, transition: Transition | None, counted: str, asked: bool) -> None:
    assert counts_of([one(tier, transition)]) == TierCounts(**{counted: 1})
    assert answers(one(tier, transition)) is asked


def test_what_is_cold_is_not_there() -> None:
    assert counts_of([one(Tier.COLD)]) == TierCounts()
    assert not answers(one(Tier.COLD))


def test_targets_are_engines_nodes_and_the_gateway() -> None:
    asked = targets([replica(0, Tier.ACTIVE), one(Tier.WARM_NODE)], ["node-0"], [POOL], "http://fleet")
    assert [(t.kind, t.name, t.url) for t in asked] == [
        ("engine", "chat-0", "http://chat-0/metrics"),
        ("dcgm", "node-0", "http://fleet/nodes/node-0/metrics"),
        ("gateway", "gateway", "http://fleet/gateway/metrics"),
    ]


def test_replicas_hold_their_gpus() -> None:
    assert held([replica(0, Tier.ACTIVE), replica(3, Tier.ASLEEP)]) == {"GPU-0", "GPU-3"}
