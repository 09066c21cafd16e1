"""Before an agent's machine ends: have every replica finish its requests and stop, whoever steers it meanwhile.

The daemon orders the same when it sees that the machine ends; this does not wait for one.
"""

from __future__ import annotations

from collections.abc import Iterable

from runtime.clock import Clock
from runtime.fleet import Fleet, PoolTarget
from runtime.replica import Transition

LOOK_S = 1.0
DECISION = "leave"


async def leave(fleet: Fleet, pools: Iterable[tuple[str, str]], clock: Clock) -> None:
    """Empty the fleet of these pools, by service and pool, and return when nothing is left that could have requests.

    It waits as long as that takes: whoever calls has a limit of its own. Raises what the fleet raises.
    """
    targets = [PoolTarget(service, pool, 0) for service, pool in pools]
    while any(one.transition is not Transition.FAILED for one in await fleet.replicas()):
        await fleet.apply(targets, DECISION)
        await clock.sleep_until(await clock.now() + LOOK_S)
