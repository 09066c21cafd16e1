"""After a restart: nothing lost, nothing doubled, nothing scaled in during the first window."""

from __future__ import annotations

import httpx
import pytest

from app.daemon.loop import one
from app.daemon.start import control_of
from app.daemon.tick import tick
from app.errors import UserError
from autoscaler.decision import ControlState, TierCounts
from autoscaler.store.models import MODELS
from runtime.fleet import PoolTarget
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import AUTO, INTERVAL_S, POOL, START_S, World


async def test_a_decision_that_was_not_marked_is_applied_again(world: World) -> None:
    daemon = await world.start()
    world.fleet.deaf = True
    with pytest.raises(httpx.ConnectError):
        await tick(daemon, START_S)
    world.fleet.deaf = False
    again = await world.start()
    assert world.fleet.applied == [f"chat-{START_S * 1000:.0f}"]
    assert again.ledger.unapplied("chat") is None


async def test_a_kill_between_apply_and_mark_changes_nothing(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 2)
    target, last = world.fleet.target, world.fleet.applied[-1]
    await world.start()
    assert world.fleet.applied[-1] == last
    assert world.fleet.target == target


async def test_nothing_scales_in_during_the_first_window(world: World) -> None:
    world.source.rps = 40.0
    daemon = await world.start()
    await ticks(daemon, 8)
    high = world.fleet.target.active
    assert high > 2
    world.source.rps = 0.5
    later = 8 + round(2 * AUTO.scale_in.window_s / INTERVAL_S)
    world.clock.now_s = START_S + later * INTERVAL_S
    again = await world.start()
    for index in range(round(AUTO.scale_in.settle_after_restart_s / INTERVAL_S)):
        await one(again, world.clock.now_s + index * INTERVAL_S)
        assert world.fleet.target.active >= high


async def test_an_empty_store_is_filled_from_the_past(world: World) -> None:
    minutes = range(-24 * 60, 1)
    world.fleet.history = {"chat": [[START_S + 60 * m, 5.0, 1000.0, 200.0] for m in minutes]}
    daemon = await world.start()
    expected = 5.0 * POOL.step.work_ms(1000, 200) / 1000
    _, values = daemon.history.load("chat", "offered_erlangs", START_S - 86400)
    assert values == pytest.approx([expected] * len(minutes))
    forecast = daemon.minds["chat"].forecaster.forecast(START_S)
    assert forecast is not None and forecast.quantile(300, 0.5) == pytest.approx(expected, rel=0.1)


async def test_what_was_learned_before_a_restart_is_known_after_it(world: World) -> None:
    world.fleet.history = {"chat": [[START_S + 60 * m, 5.0 + m % 7, 1000.0, 200.0] for m in range(-600, 1)]}
    daemon = await world.start()
    learning = daemon.minds["chat"].forecaster
    learning.refit()
    daemon.models.keep("chat", START_S, learning.panel)
    again = await world.start()
    assert "linear" in again.minds["chat"].forecaster.panel.fits
    assert again.memory.services["chat"].fitted_at_s == START_S


async def test_a_damaged_model_is_left_aside(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = await world.start()
    daemon.models.keep("chat", START_S, daemon.minds["chat"].forecaster.panel)
    with daemon.models._engine.begin() as connection:
        connection.execute(MODELS.update().values(panel=b"scribble"))
    await ticks(daemon, 1)
    again = await world.start()
    assert again.memory.services["chat"].fitted_at_s is None
    assert "left aside" in capsys.readouterr().out


async def test_a_store_with_history_is_not_filled_again(world: World) -> None:
    await ticks(await world.start(), 2)
    world.fleet.history = {"chat": [[START_S - 60, 5.0, 1000.0, 200.0]]}
    daemon = await world.start()
    times, _ = daemon.history.load("chat", "offered_erlangs", START_S - 3600)
    assert times.min() == START_S


async def test_the_store_s_policy_wins_over_the_file_s(world: World) -> None:
    daemon = await world.start()
    changed = AUTO.model_copy(update={"replicas": AUTO.replicas.model_copy(update={"max": 5})})
    daemon.policies.write("chat", changed, 1, "ada", "budget", START_S)
    again = await world.start()
    assert again.memory.services["chat"].policy.replicas.max == 5
    assert again.memory.services["chat"].policy_version == 2


async def test_a_store_from_another_timeline_is_refused(world: World) -> None:
    await ticks(await world.start(), 1)
    world.clock.now_s = START_S - 3600
    with pytest.raises(UserError, match=r"lies 3600 s after the fleet's time; give another store"):
        await world.start()


def test_another_pool_s_memory_is_forgotten() -> None:
    target = PoolTarget("chat", "chat-h100", 4)
    left = ControlState("chat", POOL, TierCounts(active=4), START_S, desired=target)
    kept = control_of(POOL, left, START_S + 100)
    assert (kept.desired, kept.started_at_s) == (target, START_S + 100)
    other = control_of(POOL.__class__(**{**fields(), "name": "chat-a100"}), left, START_S)
    assert other.desired is None


def fields() -> dict[str, object]:
    return {name: getattr(POOL, name) for name in POOL.__dataclass_fields__}
