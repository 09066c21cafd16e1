"""What an operator should look at, worst first."""

from __future__ import annotations

from dataclasses import replace

from app.api.attention import attention
from app.daemon.parts import Daemon
from autoscaler.policy import Mode
from autoscaler.tuning.choice import Choice, Price
from autoscaler.tuning.knobs import values
from collectors.observation import GpuUse
from runtime.replica import Transition
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import AUTO, INTERVAL_S, START_S, World

NOW_S = START_S + 3 * INTERVAL_S


def texts(daemon: Daemon, now_s: float = NOW_S) -> dict[str, str]:
    return {item.text: item.severity for item in attention(daemon.memory, now_s)}


async def test_a_quiet_fleet_needs_nobody(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 4)
    assert texts(daemon) == {}


async def test_trouble_comes_first(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 4)
    daemon.memory.trouble = "tick failed: connection refused"
    daemon.memory.gpus = GpuUse(busy=1, idle_held=0, idle=0, faulty=2)
    found = attention(daemon.memory, NOW_S)
    assert [item.severity for item in found] == ["critical", "warning"]
    assert "2 GPUs with faults" in found[1].text


async def test_missed_targets_are_told_with_their_numbers(world: World) -> None:
    world.source.ttft_s = 3.0
    daemon = await world.start()
    await ticks(daemon, 4)
    assert texts(daemon)["attainment is about 0.00%, the target is 99%"] == "critical"


async def test_a_blind_source_is_told(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 2)
    world.source.blind = True
    await ticks(daemon, 2, first=2)
    assert any("missing data: chat-0: no answer" in text for text in texts(daemon))


async def test_failed_replicas_are_counted(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 4)
    known = daemon.memory.services["chat"]
    known.replicas = tuple(replace(replica, transition=Transition.FAILED) for replica in known.replicas)
    assert "1 replica failed" in texts(daemon)


async def test_a_fleet_at_its_maximum_is_told(world: World) -> None:
    world.policy = AUTO.model_copy(update={"replicas": AUTO.replicas.model_copy(update={"max": 2})})
    world.source.rps = 60.0
    daemon = await world.start()
    await ticks(daemon, 4)
    assert texts(daemon)["at its maximum of 2 replicas"] == "warning"


async def test_shadow_mode_says_what_it_would_do(world: World) -> None:
    world.policy = AUTO.model_copy(update={"mode": Mode.SHADOW})
    world.source.rps = 60.0
    daemon = await world.start()
    await ticks(daemon, 4)
    assert any(text.startswith("shadow mode: ") and level == "info" for text, level in texts(daemon).items())


async def test_a_switch_of_tuned_knobs_is_told_and_so_is_advice_that_should_act(world: World) -> None:
    daemon = await world.start()
    known = daemon.memory.services["chat"]
    policy = known.policy.model_dump() | {"tuning": {"mode": "auto"}}
    known.policy = type(known.policy).model_validate(policy)
    daemon.policies.write("chat", known.policy, known.policy_version, "ann", "tuned", NOW_S)
    knobs = values(known.policy) | {"risk.headroom": 1.3}
    known.tuner.adopt(Choice(knobs, Price(7.0), True, 0.1, 0.25, "headroom up"), at_s=NOW_S - 600)
    await ticks(daemon, 4)
    assert texts(daemon)["settings tuned 10 min ago: headroom up"] == "info"
    assert known.decision is not None and [k.name for k in known.decision.next_state.tuned] == ["risk.headroom"]
    assert not any("settings tuned" in text for text in texts(daemon, NOW_S + 7200))
    known.tuner.adopt(Choice(knobs, Price(7.0), False, 0.0, 0.0, "advice only", counted=False))
    assert texts(daemon)["tuning: advice only"] == "info"
