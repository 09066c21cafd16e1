"""The next step of a replica, from what is there and what is wanted alone."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.local import journey
from runtime.local.process import Process
from runtime.local.replica import LocalReplica
from runtime.local.spec import EngineSpec, Slot
from runtime.replica import Tier

SLOT = Slot("g", ("0",))
AWAKE = {"process": Process(None), "slot": SLOT, "ready": True}  # type: ignore[arg-type]
SERVES = {**AWAKE, "admitted": True}
SLEEPS = {**AWAKE, "asleep": True}
STARTS = {**AWAKE, "ready": False}


@pytest.mark.parametrize(
    ("there", "wanted", "step"),
    [
        ({}, Tier.ACTIVE, journey._place),
        ({}, Tier.WARM_NODE, journey._place),
        ({}, Tier.COLD, None),
        ({"slot": SLOT}, Tier.ACTIVE, journey._start),
        ({"slot": SLOT}, Tier.WARM_NODE, None),
        (STARTS, Tier.STANDBY, journey._become_ready),
        (STARTS, Tier.COLD, journey.end),
        (SERVES, Tier.ACTIVE, None),
        (SERVES, Tier.STANDBY, journey._drain),
        (SERVES, Tier.ASLEEP, journey._drain),
        (SERVES, Tier.COLD, journey._drain),
        (AWAKE, Tier.ACTIVE, journey._probe),
        (AWAKE, Tier.STANDBY, None),
        (AWAKE, Tier.ASLEEP, journey._sleep),
        (AWAKE, Tier.COLD, journey.end),
        (SLEEPS, Tier.ACTIVE, journey._wake),
        (SLEEPS, Tier.STANDBY, journey._wake),
        (SLEEPS, Tier.ASLEEP, None),
        (SLEEPS, Tier.COLD, journey.end),
    ],
)
def test_the_next_step(there: dict[str, Any], wanted: Tier, step: object) -> None:
    replica = LocalReplica("r", EngineSpec("tiny", "p", "/model"), wanted, None, 0.0, **there)
    assert journey.next_step(replica) is step
