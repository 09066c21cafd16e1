"""What safety puts on the attention list, each with its number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.api.attention import attention
from app.daemon.memory import ServiceMemory
from app.daemon.parts import Daemon
from autoscaler.safety.health import Health, Sick
from autoscaler.safety.oscillation import Restlessness
from autoscaler.safety.overrides import Kind, Override
from autoscaler.safety.shortage import Ask
from runtime.fleet import PoolTarget
from runtime.replica import Tier, Transition
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import INTERVAL_S, START_S, World

NOW_S = START_S + 3 * INTERVAL_S


@pytest.fixture
async def daemon(world: World) -> Daemon:
    daemon = await world.start()
    await ticks(daemon, 4)
    return daemon


def known(daemon: Daemon) -> ServiceMemory:
    return daemon.memory.services["chat"]


def texts(daemon: Daemon) -> dict[str, str]:
    return {item.text: item.severity for item in attention(daemon.memory, NOW_S)}


async def test_capacity_that_does_not_come(daemon: Daemon, world: World) -> None:
    control = known(daemon).control
    desired = PoolTarget("chat", control.pool.name, 5)
    known(daemon).control = replace(control, ask=Ask(4, START_S - 7200, 1), desired=desired)
    world.source.rps = 100.0
    await ticks(daemon, 1, first=4)
    (said,) = [text for text in texts(daemon) if text.startswith("no capacity: ")]
    assert "asked for" in said and "none came" in said and texts(daemon)[said] == "critical"


async def test_sick_replicas(daemon: Daemon) -> None:
    health = Health((), (Sick("chat-0", "g0", "XID 79 on g0", NOW_S - 120, urgent=True),))
    known(daemon).control = replace(known(daemon).control, health=health)
    assert texts(daemon)["sick, and to be replaced: chat-0 (XID 79 on g0, for 2 min)"] == "critical"


async def test_drains_past_their_deadline(daemon: Daemon) -> None:
    (replica,) = known(daemon).replicas
    late = replace(replica, tier=Tier.COLD, transition=Transition.DRAINING, since_s=NOW_S - 1200)
    known(daemon).replicas = (late,)
    assert f"{replica.name} has been draining for 20 min, longer than 15 min" in texts(daemon)


async def test_restlessness_and_what_is_held_by_hand(daemon: Daemon) -> None:
    turns = tuple((NOW_S - 60.0 * i, (-1) ** i) for i in range(6))
    pin = Override("o", "chat", Kind.PIN, 3, NOW_S - 60, NOW_S + 600, "ann", "test")
    control = replace(known(daemon).control, restlessness=Restlessness(turns, NOW_S + 600), overrides=(pin,))
    known(daemon).control = control
    said = texts(daemon)
    assert any(text.startswith("restless: 6 changes of direction within 30 min") for text in said)
    assert said["by hand: pinned to 3 for 10 min more, says ann (test)"] == "warning"
