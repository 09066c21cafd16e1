"""Short requests go to short pools, long ones to long pools, and nobody waits without need."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runtime.router.sizes import UNBOUNDED, Sizes
from runtime.router.spec import RouterSpec
from tests.runtime.router.hosts import LIMITS, Engine, listening, replica, rig, spec
from tests.runtime.router.loads import load
from tests.runtime.simulated.fleets import POOL

SIZES = Sizes({"short": 100, "middle": 1000})
POOLS = ("long", "middle", "short")


def of_pools(limits: int = 512, **takes: int) -> RouterSpec:
    pools = {name: replace(POOL, name=name) for name in ("short", "long")}
    made = spec(replace(LIMITS, in_flight=limits))
    return replace(made, services=(replace(made.services[0], pools=pools, sizes=Sizes({"short": 100, **takes})),))


def test_a_request_has_the_size_of_the_smallest_pool_that_holds_it() -> None:
    assert [SIZES.need(tokens, POOLS) for tokens in (1, 100, 101, 1000, 1001)] == [100, 100, 1000, 1000, UNBOUNDED]


def test_what_is_too_long_for_all_has_the_size_of_the_largest() -> None:
    assert SIZES.need(5000, ("short", "middle")) == 1000


@given(st.integers(1, 3000), st.lists(st.sampled_from(POOLS), min_size=1, max_size=8))
def test_it_goes_to_the_smallest_that_can_take_it(tokens: int, pools: list[str]) -> None:
    loads = [load(f"r{i}", pool=pool) for i, pool in enumerate(pools)]  # type: ignore[arg-type]
    chosen = SIZES.smallest(SIZES.able(loads, SIZES.need(tokens, POOLS)))
    limits = [SIZES.of(each) for each in pools if SIZES.of(each) >= tokens]
    assert {SIZES.of(each.pool) for each in chosen} == ({min(limits)} if limits else set())


def test_without_sizes_all_are_alike() -> None:
    loads = [load("a"), load("b")]
    assert Sizes().need(10**9, POOLS) == 0 and Sizes().smallest(Sizes().able(loads, 0)) == loads


async def test_short_and_long_requests_part_and_spill_over() -> None:
    engines = {"short": Engine("endless"), "long": Engine("endless")}
    leave = asyncio.Event()
    async with listening(engines["short"]) as short, listening(engines["long"]) as long, rig() as router:
        router.gateway.configure(of_pools(2))
        router.gateway.rotate([replica("s", short, pool="short"), replica("l", long, pool="long")])
        ask = [router.ask(leave, stream=True, max_tokens=tokens) for tokens in (10, 500, 10, 10, 500)]
        asking = []
        for each in ask:
            asking.append(asyncio.create_task(each))
            await asyncio.sleep(0.02)
        loads = router.chat.loads
        assert (loads["s"].requests, loads["l"].requests, router.chat.held) == (2, 2, 1)
        leave.set()
        await asyncio.gather(*asking)


async def test_a_long_request_wakes_a_long_pool_and_blocks_no_short_one() -> None:
    async with listening(Engine()) as short, rig() as router:
        router.gateway.configure(of_pools())
        router.gateway.rotate([replica("s", short, pool="short")])
        waiting = asyncio.create_task(router.ask(max_tokens=500))
        while not router.chat.held:
            await asyncio.sleep(0.001)
        assert (await router.ask(max_tokens=10)).status == 200
        assert router.woken and router.chat.held == 1
        router.gateway.rotate([replica("s", short, pool="short"), replica("l", short, pool="long")])
        assert (await waiting).status == 200


async def test_what_a_request_may_write_is_the_mean_where_it_does_not_say() -> None:
    async with listening(Engine()) as url, rig() as router:
        router.gateway.configure(of_pools(short=8))
        router.gateway.rotate([replica("s", url, pool="short"), replica("l", url, pool="long")])
        for _ in range(2):
            await router.ask()  # two tokens, and an answer of seven
        assert [router.chat.loads[name].ended for name in "sl"] == [1, 1]
