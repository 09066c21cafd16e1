"""One tick: what is seen is recorded, decided, written down before it is done, and done once."""

from __future__ import annotations

import httpx
import pytest

from app.api.attention import attention
from app.daemon.loop import one, told
from app.daemon.parts import Daemon
from app.daemon.signals import FLEET, SIGNALS
from app.daemon.tick import tick
from autoscaler.policy import Mode
from autoscaler.safety.overrides import Kind
from autoscaler.store.codec import encode, replay
from collectors.observation import Gap
from runtime.agent.client import Standing
from tests.app.fakes import AUTO, INTERVAL_S, START_S, World


async def ticks(daemon: Daemon, count: int, first: int = 0) -> None:
    for index in range(first, first + count):
        await one(daemon, told(daemon, START_S + index * INTERVAL_S))


async def test_a_tick_fills_memory_history_and_ledger(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 3)
    known = daemon.memory.services["chat"]
    assert known.signals["arrivals_per_s"] == pytest.approx(2.0)
    assert known.signals["attainment"] == pytest.approx(1.0)
    assert set(known.signals) == set(SIGNALS)
    assert len(daemon.ledger.list("chat")) == 3
    points = daemon.history.series("chat", ["arrivals_per_s"], START_S, START_S + 60)["arrivals_per_s"]
    assert [value for _, value in points] == [None, pytest.approx(2.0), pytest.approx(2.0)]
    busy = daemon.history.series(FLEET, ["gpus_busy"], START_S, START_S + 60)["gpus_busy"]
    assert [value for _, value in busy] == [1.0, 1.0, 1.0]


async def test_load_brings_replicas(world: World) -> None:
    world.source.rps = 30.0
    daemon = await world.start()
    await ticks(daemon, 6)
    assert world.fleet.target.active > 1
    assert daemon.memory.services["chat"].signals["replicas_active"] == world.fleet.target.active
    assert daemon.memory.tally.decisions[("chat", "scale_out", "forecast")] >= 1


async def test_every_acting_decision_is_applied_once_and_marked(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 4)
    entries = daemon.ledger.list("chat")
    assert all(entry.applied_at_s is not None for entry in entries)
    assert world.fleet.applied == [entry.decision.id for entry in reversed(entries)]


async def test_shadow_mode_decides_and_does_nothing(world: World) -> None:
    world.policy = AUTO.model_copy(update={"mode": Mode.SHADOW})
    world.source.rps = 30.0
    daemon = await world.start()
    await ticks(daemon, 4)
    assert world.fleet.applied == []
    assert daemon.ledger.list("chat")[0].decision.plan.targets[0].active > 1


async def test_a_decision_replays_from_what_was_stored(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 3)
    stored = daemon.ledger.get(daemon.ledger.list("chat")[0].decision.id)
    assert stored is not None and stored.inputs is not None
    assert encode(replay(stored.inputs)) == encode(stored.decision)


async def test_a_blind_source_holds_with_a_gap(world: World) -> None:
    world.source.rps = 30.0
    daemon = await world.start()
    await ticks(daemon, 6)
    before = world.fleet.target.active
    world.source.blind = True
    await ticks(daemon, 3, first=6)
    known = daemon.memory.services["chat"]
    assert world.fleet.target.active >= before
    assert known.observation is not None and not known.observation.valid
    assert known.signals["offered_erlangs"] is None
    assert known.last_valid_s == START_S + 5 * INTERVAL_S


async def test_a_fleet_that_is_gone_costs_ticks_and_no_decision(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 2)
    world.fleet.down = True
    await ticks(daemon, 2, first=2)
    assert daemon.memory.tally.failed_ticks == 2
    assert "connection refused" in (daemon.memory.trouble or "")
    observation = daemon.memory.services["chat"].observation
    assert observation is not None and not observation.valid
    assert observation.gaps[0].subject == "fleet"
    world.fleet.down = False
    await ticks(daemon, 1, first=4)
    assert daemon.memory.trouble is None


async def test_an_agent_that_is_not_trusted_is_a_gap_that_holds_nothing(world: World) -> None:
    why = "https://10.0.0.7:8900: its certificate is not trusted"
    world.fleet.agents = {"gpu-1": Standing(why, START_S), "gpu-2": Standing()}
    world.source.rps = 30.0
    daemon = await world.start()
    await ticks(daemon, 6)
    assert daemon.memory.gaps == (Gap("agent gpu-1", why),) and daemon.memory.agents == world.fleet.agents
    observation = daemon.memory.services["chat"].observation
    assert observation is not None and observation.valid and not observation.gaps
    assert world.fleet.target.active > 1
    assert [item.text for item in attention(daemon.memory, START_S) if "gpu-1" in item.text] == [
        f"agent gpu-1 is left as it is: {why}"
    ]


async def test_a_decision_is_written_before_the_fleet_hears_of_it(world: World) -> None:
    daemon = await world.start()
    world.fleet.deaf = True
    with pytest.raises(httpx.ConnectError):
        await tick(daemon, START_S)
    left = daemon.ledger.unapplied("chat")
    assert left is not None and left.decision.at_s == START_S


async def test_a_policy_changed_by_somebody_else_takes_effect(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 1)
    more = AUTO.model_copy(update={"replicas": AUTO.replicas.model_copy(update={"min": 3})})
    daemon.policies.write("chat", more, 1, "ada", "launch day", START_S)
    await ticks(daemon, 1, first=1)
    assert world.fleet.target.active == 3
    assert daemon.ledger.list("chat")[0].policy_version == 2


async def test_money_adds_up_over_time(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 5)
    assert daemon.memory.tally.cost_usd["chat"] == pytest.approx(2.0 * 4 * INTERVAL_S / 3600)


async def test_overrides_are_read_at_every_tick_kept_with_the_decision_and_outlive_a_restart(world: World) -> None:
    world.source.rps = 5.0
    daemon = await world.start()
    now_s = daemon.memory.now_s
    made = daemon.overrides.make("chat", Kind.PIN, 3, now_s, now_s + 3600, "ann", "load test")
    await ticks(daemon, 1)
    decision = daemon.memory.services["chat"].decision
    assert decision is not None and decision.plan.targets[0].active == 3
    assert decision.binding == "pin" and "says ann (load test)" in decision.sentence
    assert decision.next_state.overrides == (made,)
    daemon.overrides.lift(made.id, daemon.memory.now_s, "ann")
    await ticks(daemon, 1)
    assert daemon.memory.services["chat"].control.overrides == ()
