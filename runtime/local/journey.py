"""How one replica gets from where it is to the tier it is wanted in, step by step.

The next step follows from what is there and what is wanted alone, so a target that changes on the way needs no care:
every step ends early when it has become pointless, and the one after it is chosen anew. A wake that fails leaves no
process behind, after which the next step is a cold start.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from runtime.local import command, slots
from runtime.local.engine import Engine, EngineError
from runtime.local.ground import Ground
from runtime.local.process import Process
from runtime.local.replica import LocalReplica
from runtime.replica import Tier, Transition

POLL_S = 0.1
"""Between two looks at something that is about to happen."""

ANSWER_S = 60.0
"""For one completion of an engine that has just started."""

METRICS_S = 5.0
STOPPED_S = 5.0
"""Beyond the warden's own grace."""

Step = Callable[[LocalReplica, Ground], Awaitable[None]]


class Lost(Exception):
    """The engine is of no use any more: one line that says why."""


async def travel(replica: LocalReplica, ground: Ground) -> None:
    """Take steps until it is where its tier says. Raises ``Lost``."""
    while (step := next_step(replica)) is not None:
        await step(replica, ground)


def next_step(replica: LocalReplica) -> Step | None:
    """What is to be done now; None where it has arrived."""
    if replica.process is None:
        return _without_process(replica)
    if not replica.ready:
        return end if replica.tier is Tier.COLD else _become_ready
    if replica.asleep:
        return {Tier.COLD: end, Tier.ASLEEP: None}.get(replica.tier, _wake)
    if replica.admitted:
        return None if replica.tier is Tier.ACTIVE else _drain
    return {Tier.COLD: end, Tier.ASLEEP: _sleep, Tier.ACTIVE: _probe}.get(replica.tier)


def _without_process(replica: LocalReplica) -> Step | None:
    if replica.tier is Tier.COLD:
        return None
    if replica.slot is None:
        return _place
    return None if replica.tier is Tier.WARM_NODE else _start


async def _place(replica: LocalReplica, ground: Ground) -> None:
    """Wait for a slot, and for the pause after failures."""
    while replica.tier is not Tier.COLD:
        now_s, lane = await ground.now(), ground.lane(replica)
        if lane and now_s < lane.start_after_s:
            await ground.waits(replica, f"a pause after {lane.in_a_row} failures in a row")
        elif slot := slots.find(replica.engine, ground.spec.slots, ground.replicas.values()):
            replica.slot, replica.claims, replica.waits_for = slot, True, ""
            replica.since_s = now_s
            return
        else:
            await ground.waits(replica, f"no slot of group {replica.engine.group} is free")


async def _start(replica: LocalReplica, ground: Ground) -> None:
    """Start the processes, which is not yet an engine that answers."""
    assert replica.slot is not None
    port = ground.free_port()
    if port is None:
        raise Lost(f"no port from {ground.spec.ports[0]} to {ground.spec.ports[1]} is free")
    argv = command.argv(replica.engine, port)
    env = command.environment(replica.engine, replica.slot, ground.spec.home / "cache", os.environ)
    replica.moved_s = await ground.now()
    replica.become(replica.moved_s, replica.tier, Transition.LAUNCHING)
    replica.port, replica.ready, replica.asleep, replica.adopted = port, False, False, False
    try:
        replica.process = Process.start(ground.folder(replica), argv, env, ground.bounds)
    except OSError as error:
        raise Lost(f"no process can be started: {error}") from error
    replica.client = Engine(ground.http, f"http://{command.HOST}:{port}", replica.engine.service)
    ground.write_down(replica)
    await ground.say(replica, "launching", f"from {replica.origin} in slot {replica.slot.name}, port {port}")


async def _become_ready(replica: LocalReplica, ground: Ground) -> None:
    """Wait for a completion, warm up, and keep what the engine says while it is new."""
    client = _client(replica)
    until_s = max(replica.moved_s + ground.spec.ready_within_s, replica.since_s + ground.spec.hang_s)
    while replica.tier is not Tier.COLD:
        try:
            if replica.adopted and await client.asleep(replica.engine.sleep, METRICS_S):
                replica.ready, replica.asleep, replica.claims = True, True, False
                return
            await client.answer(ANSWER_S)
            if replica.process and not replica.process.listens(replica.port):
                raise Lost(f"port {replica.port} is answered by a process that is not ours")
            if not replica.adopted:
                replica.golden = await client.golden(ANSWER_S)
            break
        except EngineError as error:
            if await ground.pause(POLL_S) > until_s:
                raise Lost(f"not ready within {ground.spec.ready_within_s:g} s: {error}") from error
    else:
        return
    replica.ready, replica.ready_s = True, await ground.now()
    replica.admitted = replica.adopted or replica.tier is Tier.ACTIVE
    if not replica.adopted:
        await ground.measured(replica)
        ground.write_down(replica)


async def _wake(replica: LocalReplica, ground: Ground) -> None:
    """Once the slot's awake engine has left it; a wake that fails, or a free slot elsewhere, makes it a cold start."""
    while others := slots.in_the_way(replica, ground.replicas.values()):
        if replica.tier in (Tier.COLD, Tier.ASLEEP):
            return
        elsewhere = slots.find(replica.engine, ground.spec.slots, _but(replica, ground))
        if elsewhere and not any(other.leaving for other in others):
            await ground.say(replica, "moving", f"{others[0].name} is awake in its slot, slot {elsewhere.name} is free")
            await _start_again(replica, ground)
            replica.slot, replica.claims = None, False
            return
        await ground.waits(replica, f"{others[0].name} is awake in its slot")
    replica.claims = replica.switching = True
    replica.waits_for = ""
    try:
        await _client(replica).wake(replica.engine.sleep, replica.golden, ground.spec.ready_within_s)
    except EngineError as error:
        await ground.say(replica, "wake failed", f"{error}; a cold start instead")
        await _start_again(replica, ground)
        return
    finally:
        replica.switching = False
    replica.asleep, replica.ready_s = False, await ground.now()
    replica.admitted = replica.tier is Tier.ACTIVE
    await ground.measured(replica)


async def _start_again(replica: LocalReplica, ground: Ground) -> None:
    await end(replica, ground)
    replica.origin = Tier.COLD


def _but(replica: LocalReplica, ground: Ground) -> list[LocalReplica]:
    return [other for other in ground.replicas.values() if other is not replica]


async def _probe(replica: LocalReplica, ground: Ground) -> None:
    """From standby into rotation, once its engine has answered."""
    until_s = await ground.now() + ground.spec.hang_s
    while replica.tier is Tier.ACTIVE:
        try:
            await _client(replica).answer(ground.spec.hang_s)
        except EngineError as error:
            if await ground.pause(POLL_S) > until_s:
                raise Lost(f"no answer out of standby: {error}") from error
            continue
        await ground.measured(replica)
        replica.admitted = replica.tier is Tier.ACTIVE
        return


async def _drain(replica: LocalReplica, ground: Ground) -> None:
    """Wait until it is empty, however long: requests are ended only where the specification sets a limit."""
    spec, late = ground.spec, False
    while True:
        try:
            replica.load = (await _client(replica).doing(METRICS_S)).requests
        except EngineError:  # whether it hangs is for its watch to say
            replica.load = max(replica.load, 1)
        now_s = await ground.now()
        left_s = now_s - replica.left_s
        if replica.tier is Tier.ACTIVE:
            return
        if left_s >= spec.settle_s and replica.load == 0:
            replica.admitted = False
            return
        if spec.drain_limit_s is not None and left_s >= spec.drain_limit_s:
            await ground.say(replica, "cut off", f"{replica.load} requests after drain_limit_s {spec.drain_limit_s:g}")
            replica.admitted = False
            return
        if left_s >= spec.drain_s and not late:
            late = True
            await ground.say(replica, "still draining", f"{replica.load} requests after {spec.drain_s:g} s; waiting")
        await ground.pause(POLL_S)


async def _sleep(replica: LocalReplica, ground: Ground) -> None:
    """It is empty: free the devices for another."""
    replica.switching = True
    try:
        await _client(replica).sleep(replica.engine.sleep, ground.spec.ready_within_s)
    except EngineError as error:
        raise Lost(f"it does not fall asleep: {error}") from error
    finally:
        replica.switching = False
    replica.asleep, replica.claims, replica.load = True, False, 0


async def end(replica: LocalReplica, ground: Ground) -> None:
    """Stop the processes and see them gone, so that port and devices are free; gently first."""
    assert replica.process is not None
    replica.ending = True
    if replica.watch:
        replica.watch.cancel()
        replica.watch = None
    replica.process.terminate()
    kill_at_s = await ground.now() + ground.spec.grace_s + STOPPED_S
    while not replica.process.gone:
        if await ground.pause(POLL_S) > kill_at_s:
            replica.process.kill()
    forget(replica)


def forget(replica: LocalReplica) -> None:
    """Its processes are gone."""
    replica.process = replica.client = None
    replica.ready = replica.asleep = replica.admitted = replica.ending = False
    replica.load, replica.golden = 0, ()


def _client(replica: LocalReplica) -> Engine:
    assert replica.client is not None
    return replica.client
