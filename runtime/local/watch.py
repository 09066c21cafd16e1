"""Looks at a running engine again and again: its load, and whether it gets anywhere.

An engine hangs when for ``hang_s`` it has neither read nor written a token nor answered a prompt: a full one does the
first, an idle one the second. ``/health`` alone would not do, it is answered while the engine behind it stands still.
"""

from __future__ import annotations

from runtime.local.engine import EngineError
from runtime.local.ground import Ground
from runtime.local.journey import METRICS_S, Lost
from runtime.local.replica import LocalReplica


async def watch(replica: LocalReplica, ground: Ground) -> None:
    """Until cancelled. Raises ``Lost`` for an engine that hangs."""
    spec = ground.spec
    alive_s, tokens, why = await ground.now(), -1.0, ""
    while True:
        now_s = await ground.pause()
        if replica.switching:
            alive_s = now_s  # sleep and wake have bounds of their own
            continue
        try:
            seen = await _seen(replica, min(METRICS_S, spec.hang_s))
            if seen != tokens:
                alive_s, tokens = now_s, seen
            elif now_s - alive_s > spec.hang_s / 3:
                await _prove(replica, spec.hang_s / 3)
                alive_s = await ground.now()
        except EngineError as error:
            why = str(error)
        if await ground.now() - alive_s > spec.hang_s and not replica.switching:
            raise Lost(f"no progress for {spec.hang_s:g} s; {why}")


async def _seen(replica: LocalReplica, within_s: float) -> float:
    """Tokens so far, and its load noted."""
    assert replica.client is not None
    doing = await replica.client.doing(within_s)
    replica.load = doing.requests
    return doing.tokens


async def _prove(replica: LocalReplica, within_s: float) -> None:
    """Nothing moves, which is right for one without requests: see whether it would."""
    assert replica.client is not None
    if replica.asleep:
        await replica.client.healthy(within_s)
    else:
        await replica.client.answer(within_s)
