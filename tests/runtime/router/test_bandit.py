"""The bandit finds the better arm, follows a switch, and never chooses a dead one."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.router.bandit import Arm, Bandit, BanditSpec, Reward, normal
from runtime.router.page import page
from runtime.router.spec import RouterSpec
from tests.runtime.router.hosts import Engine, listening, replica, rig, spec
from tests.runtime.simulated.fleets import POOL

ARMS = (Arm("sal"), Arm("lmetric"), Arm("round-robin"))


def loss_of(mean: float, turn: int) -> float:
    """A latency of that median, lognormal with a sigma of 0.5."""
    return mean * math.exp(0.5 * normal(turn, 77))


def played(bandit: Bandit, means: dict[Arm, float], begin: int, count: int, pending: int = 20) -> dict[Arm, int]:
    """So many requests; a loss is told when ``pending`` more were sent. Gives how often each arm was chosen."""
    before = {arm: belief.chosen for arm, belief in bandit.beliefs.items()}
    under_way: list[tuple[Arm, float]] = []
    for turn in range(begin, begin + count):
        arm = bandit.choose(list(means), turn)
        under_way.append((arm, loss_of(means[arm], turn)))
        if len(under_way) > pending:
            bandit.learn(*under_way.pop(0))
    return {arm: belief.chosen - before[arm] for arm, belief in bandit.beliefs.items()}


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_better_arm_and_follows_a_switch(seed: int) -> None:
    bandit, begin = Bandit(BanditSpec(ARMS)), seed * 10**6
    good, bad, worse = ARMS
    played(bandit, {good: 1.0, bad: 1.5, worse: 2.0}, begin, 1000)
    assert played(bandit, {good: 1.0, bad: 1.5, worse: 2.0}, begin + 1000, 1000)[good] > 850
    played(bandit, {good: 2.0, bad: 1.5, worse: 1.0}, begin + 2000, 1500)
    assert played(bandit, {good: 2.0, bad: 1.5, worse: 1.0}, begin + 3500, 1000)[worse] > 800


def test_an_arm_that_became_better_is_found_again() -> None:
    bandit, (old, new) = Bandit(BanditSpec(ARMS[:2])), ARMS[:2]
    played(bandit, {old: 1.0, new: 3.0}, 0, 2000)
    played(bandit, {old: 1.0, new: 0.5}, 2000, 3000)
    assert played(bandit, {old: 1.0, new: 0.5}, 5000, 1000)[new] > 800


def test_before_anything_ended_no_arm_gets_them_all() -> None:
    chosen = played(Bandit(BanditSpec(ARMS)), dict.fromkeys(ARMS, 1.0), 0, 300, pending=300)
    assert min(chosen.values()) > 60


def test_an_arm_whose_losses_are_not_known_yet_does_not_get_everything() -> None:
    bandit = Bandit(BanditSpec(ARMS[:2]))
    for turn in range(50):
        bandit.learn(ARMS[0], loss_of(1.0, turn))
    assert played(bandit, dict.fromkeys(ARMS[:2], 1.0), 0, 200, pending=200)[ARMS[1]] < 140


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1e6)), max_size=50), st.sets(st.sampled_from(ARMS), min_size=1)
)
@example([(1, 782682.75), (0, 0.0), (1, 782682.75)], {ARMS[0]})
def test_only_those_that_are_alive_are_chosen(losses: list[tuple[int, float]], alive: set[Arm]) -> None:
    bandit = Bandit(BanditSpec(ARMS))
    for which, loss in losses:
        bandit.learn(ARMS[which], loss)
    assert bandit.choose(sorted(alive, key=str), 3) in alive


def test_a_failure_is_as_bad_as_a_late_request() -> None:
    bandit = Bandit(BanditSpec(ARMS[:2], late_factor=3.0))
    bandit.fail(ARMS[0])
    assert bandit.beliefs[ARMS[0]].mean is None
    bandit.learn(ARMS[1], 2.0)
    bandit.fail(ARMS[0])
    assert bandit.beliefs[ARMS[0]].mean == 6.0


def test_losses() -> None:
    pool = replace(POOL, step=replace(POOL.step, b_ms_per_seq=3.6))
    latency, cost = BanditSpec(), BanditSpec(reward=Reward.COST)
    energy = BanditSpec(reward=Reward.ENERGY, joules_per_token={"pool": 0.5})
    assert latency.loss(pool, (100, 100), 1.5, False) == 1.5
    # 100 tokens of 3.6 ms are 0.36 s, at 6 USD/h 0.0006 USD for 200 tokens
    assert cost.loss(pool, (100, 100), 1.5, True) == pytest.approx(3.0)
    assert cost.loss(pool, (100, 100), 1.5, False) == pytest.approx(9.0)
    assert energy.loss(pool, (100, 100), 0.5, True) == 0.5


@pytest.mark.parametrize(
    ("arms", "reward", "told"),
    [
        ("best", "latency", "arm 'best': no policy 'best'; there are least-requests"),
        ("sal@", "latency", "names no pool after @"),
        ("sal@moon", "latency", "no pool 'moon'; there are local, remote"),
        ("sal@local", "latency", "no arm takes pool remote; give sal@remote too"),
        ("sal", "energy", "joules_per_token of pool local is missing"),
    ],
)
def test_arms_that_cannot_be_are_told(arms: str, reward: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BanditSpec((Arm.read(arms),), Reward(reward)).check(["local", "remote"])


def over_pools(*arms: str) -> RouterSpec:
    made = spec(policy="sal")
    pools = {name: replace(POOL, name=name) for name in ("local", "remote")}
    bandit = BanditSpec(tuple(map(Arm.read, arms)))
    return replace(made, services=(replace(made.services[0], policy="bandit", pools=pools, bandit=bandit),))


async def test_it_routes_by_pool_learns_from_answers_and_shows_what_it_knows() -> None:
    async with listening(Engine()) as local, listening(Engine()) as remote, rig() as router:
        router.gateway.configure(over_pools("sal@local", "sal@remote"))
        router.gateway.rotate([replica("l", local, pool="local"), replica("r", remote, pool="remote")])
        await asyncio.gather(*(router.ask() for _ in range(8)))
        bandit = router.chat.bandit
        assert bandit is not None
        assert sum(belief.chosen for belief in bandit.beliefs.values()) == 8
        assert [load.ended for load in router.chat.loads.values()] == [b.chosen for b in bandit.beliefs.values()]
        text = page([router.chat], router.gateway.tenants, 0)
        assert 'leadtime_gateway_bandit_loss{service="chat",arm="sal@local"} 0.' in text
        router.gateway.configure(over_pools("sal@local", "sal@remote"))
        assert router.chat.bandit is bandit
        router.gateway.configure(spec())
        assert router.chat.bandit is None


async def test_a_pool_that_died_is_not_chosen() -> None:
    async with listening(Engine()) as local, rig() as router:
        router.gateway.configure(over_pools("sal@local", "sal@remote"))
        dead = replica("r", "http://127.0.0.1:1", pool="remote")
        router.gateway.rotate([replica("l", local, pool="local"), dead])
        router.chat.loads["r"].out_until_s = math.inf
        assert {(await router.ask()).status for _ in range(10)} == {200}
        router.gateway.rotate([replica("l", local, pool="local")])
        assert {(await router.ask()).status for _ in range(5)} == {200}
        assert router.chat.bandit is not None
        assert router.chat.bandit.beliefs[Arm("sal", "remote")].chosen == 0


async def test_a_pool_that_is_taken_out_is_asked_no_more() -> None:
    async with listening(Engine()) as url, rig() as router:
        router.gateway.configure(over_pools("sal@local", "sal@remote"))
        router.gateway.rotate([replica("l", url, pool="local"), replica("r", url, pool="remote")])
        both = over_pools("sal@local", "sal@remote").services[0]
        pools, arms = {"local": both.pools["local"]}, BanditSpec((Arm("sal", "local"),))
        router.gateway.configure(replace(spec(), services=(replace(both, pools=pools, bandit=arms),)))
        assert list(router.chat.loads) == ["l"]
        assert (await router.ask()).status == 200


def test_a_bandit_that_leaves_a_pool_out_is_no_service() -> None:
    with pytest.raises(ValueError, match="no arm takes pool remote"):
        over_pools("sal@local")
