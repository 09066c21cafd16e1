"""Every replica is counted once, and only those with a process are asked."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.counts import answers, counts_of, state_name
from autoscaler.decision import TierCounts
from runtime.replica import Replica, Tier, Transition


def one(tier: Tier, transition: Transition | None = None) -> Replica:
    return Replica("chat-0", "chat", "h100-tp2", tier, transition, 0.0, "http://chat-0", "node-0", ("GPU-0",))


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


def test_a_replica_that_is_going_cold_is_asked_until_it_is_gone() -> None:
    assert answers(one(Tier.COLD, Transition.DRAINING))
    assert not answers(one(Tier.WARM_NODE))


@given(st.lists(st.builds(one, st.sampled_from(Tier), st.none() | st.sampled_from(Transition)), max_size=20))
def test_nobody_is_counted_twice_or_forgotten(replicas: list[Replica]) -> None:
    there = [replica for replica in replicas if state_name(replica)]
    assert sum(asdict(counts_of(replicas)).values()) == len(there)
    assert all(r.tier is Tier.COLD and r.transition is None for r in replicas if r not in there)
