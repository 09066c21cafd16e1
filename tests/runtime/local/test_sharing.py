"""Several models on the same devices: one awake, the others asleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.fleet import PoolTarget
from runtime.local.spec import Sleep
from runtime.replica import Tier
from tests.runtime.local.conftest import Played, cores, engine, switch, until

Play = Callable[..., Any]


async def two(play: Play, slots: int = 1) -> Played:
    """Pools a and b that can sleep, and c that cannot."""
    a, b = engine("a", sleep=Sleep.PAUSE), engine("b", service="other", sleep=Sleep.PAUSE)
    return await play(a, b, engine("c"), slots=cores(slots))


async def want(played: Played, a: tuple[int, int], b: tuple[int, int]) -> None:
    """(active, asleep) of each pool."""
    targets = [PoolTarget(s, p, n, asleep=m) for s, p, (n, m) in (("tiny", "a", a), ("other", "b", b))]
    await played.fleet.apply(targets, "d1")


async def test_models_swap_places_by_sleep_then_wake(play: Play) -> None:
    played = await two(play)
    await want(played, (1, 0), (0, 0))
    (a,) = await played.settled("a", active=1)
    await want(played, (0, 1), (1, 0))
    await played.settled("a", asleep=1)
    (b,) = await played.settled("b", active=1)
    assert a.gpus == b.gpus
    await want(played, (1, 0), (0, 1))
    (back,) = await played.settled("a", active=1)
    await played.settled("b", asleep=1)
    assert back.name == a.name and played.fleet.counts()["a", "launching"] == 1
    assert [(s.pool, s.start) for s in await played.fleet.lead_times()][-1] == ("a", Tier.ASLEEP)


async def test_a_wake_waits_until_the_one_that_leaves_is_empty(play: Play) -> None:
    played = await two(play)
    await want(played, (0, 1), (0, 0))
    await played.settled("a", asleep=1)
    await want(played, (0, 1), (1, 0))
    (b,) = await played.settled("b", active=1)
    await switch(b, busy=1)
    await want(played, (1, 0), (0, 1))
    await until(lambda: played.said("waiting"))
    assert played.said("waiting") == [f"{b.name} is awake in its slot"]
    await switch(b, busy=0)
    await played.settled("a", active=1)
    await played.settled("b", asleep=1)


async def test_a_wake_behind_one_that_stays_starts_cold_where_there_is_room(play: Play) -> None:
    played = await two(play, slots=2)
    await played.want("c", active=1)
    await played.settled("c", active=1)
    await want(played, (0, 1), (0, 0))
    await played.settled("a", asleep=1)
    await want(played, (0, 1), (1, 0))
    (b,) = await played.settled("b", active=1)
    await want(played, (1, 0), (1, 0))
    await until(lambda: played.said("waiting"))
    await played.want("c", active=0)
    (a,) = await played.settled("a", active=1)
    assert a.gpus != b.gpus and "is awake in its slot" in played.said("moving")[0]
