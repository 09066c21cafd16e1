"""Trials beside the loop: a rollback that was cut short is made good, and trouble in the store costs no tick."""

from __future__ import annotations

from app.api import watch as routes
from app.daemon import loop
from app.daemon.parts import Daemon
from app.daemon.trials import BEFORE_S, advance, before
from autoscaler.canary import watch as canary
from autoscaler.canary.watch import AUTHOR, Outcome
from autoscaler.policy import Policy
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import AUTO, INTERVAL_S, START_S, World

TIGHT = AUTO.model_copy(update={"replicas": AUTO.replicas.model_copy(update={"max": 1})})


async def run(daemon: Daemon, count: int, first: int = 0) -> None:
    for index in range(first, first + count):
        await ticks(daemon, 1, index)
        await loop.attempted(daemon, loop.trials)


def apply(daemon: Daemon, policy: Policy, after_ticks: int) -> None:
    at_s = START_S + (after_ticks - 1) * INTERVAL_S
    made = daemon.policies.write("chat", policy, 1, "ada", "cheaper", at_s)
    routes.begin(daemon.trials.watches, made, 600.0)


async def test_a_burning_policy_is_taken_back_within_a_minute(world: World) -> None:
    world.source.rps = 20.0
    daemon = await world.start()
    await run(daemon, 10)
    apply(daemon, TIGHT, 10)
    world.source.ttft_s = 4.0
    await run(daemon, 5, first=10)
    newest, found = daemon.policies.current("chat"), daemon.memory.services["chat"]
    assert newest is not None and (newest.version, newest.author, newest.policy) == (3, AUTHOR, AUTO)
    assert found.watch is not None and found.watch.outcome is Outcome.ROLLED_BACK
    assert "0.0% in the 2.25 min before" in newest.reason


async def test_the_settle_window_begins_with_the_rollback(world: World) -> None:
    world.source.rps = 20.0
    daemon = await world.start()
    await run(daemon, 10)
    apply(daemon, TIGHT, 10)
    world.source.ttft_s = 4.0
    await run(daemon, 6, first=10)
    decision = daemon.memory.services["chat"].decision
    assert decision is not None
    assert any(constraint.name == "rollback" for constraint in decision.constraints)
    assert decision.next_state.rolled_back_at_s is not None


async def test_a_rollback_that_was_cut_short_is_made_good(world: World) -> None:
    daemon = await world.start()
    await run(daemon, 4)
    apply(daemon, TIGHT, 4)
    begun = daemon.trials.watches.newest("chat")
    assert begun is not None
    daemon.trials.watches.keep(canary.ended(begun, Outcome.FAILED, "version 2 burns", START_S + 60))
    await run(daemon, 1, first=4)
    newest = daemon.policies.current("chat")
    assert newest is not None and (newest.version, newest.policy) == (3, AUTO)
    await run(daemon, 2, first=5)
    assert len(daemon.policies.history("chat")) == 3


async def test_what_was_before_reaches_back_only_so_far(world: World) -> None:
    daemon = await world.start()
    count = round(BEFORE_S / INTERVAL_S) + 20
    await run(daemon, count)
    known = daemon.memory.services["chat"]
    assert len(known.seen) <= BEFORE_S / INTERVAL_S + 1
    at_s = START_S + (count - 1) * INTERVAL_S
    assert before(known, canary.begin("chat", 2, 1, 0.99, 600.0, at_s)).seconds == 600.0
    assert before(known, canary.begin("chat", 2, 1, 0.99, 9000.0, at_s)).seconds == BEFORE_S


async def test_a_tick_that_failed_measures_nothing(world: World) -> None:
    daemon = await world.start()
    await run(daemon, 4)
    apply(daemon, AUTO, 4)
    await advance(daemon)
    watch = daemon.memory.services["chat"].watch
    assert watch is not None and (watch.samples, watch.missing_s) == ((), 0.0)
