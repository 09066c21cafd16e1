"""Several machines as one fleet: shares, silence, and machines that are lost for good."""

from __future__ import annotations

from dataclasses import dataclass, replace

import httpx
import pytest

from runtime.agent.client import RemoteFleet
from runtime.agent.many import ManyAgents
from runtime.agent.server import create_agent
from runtime.agent.split import Stay
from runtime.fleet import Fleet, PoolTarget
from runtime.replica import Replica, Transition
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

LOST_S = 60.0


@dataclass
class Clock:
    now_s: float = 1000.0

    async def now(self) -> float:
        return self.now_s

    async def sleep_until(self, at_s: float) -> float:
        return self.now_s


class Wire(Instant):
    """A machine of that name behind a wire that can be cut."""

    name = ""
    cut = False

    async def replicas(self) -> tuple[Replica, ...]:
        if self.cut:
            raise httpx.ConnectError("cut")
        return tuple(replace(one, name=f"{self.name}-{one.name}", node=self.name) for one in await super().replicas())


def machines(**rooms: int) -> dict[str, Wire]:
    made = {name: Wire(room=room) for name, room in rooms.items()}
    for name, wire in made.items():
        wire.name = name
    return made


def aim(active: int) -> PoolTarget:
    return PoolTarget("chat", "chat-pool", active=active)


async def test_machines_share_what_is_asked_and_all_is_told() -> None:
    wires = machines(a=2, b=3)
    fleet: Fleet = ManyAgents(wires, Clock())
    await fleet.apply([aim(4)], "d1")
    assert {name: wire.targets["chat-pool"].active for name, wire in wires.items()} == {"a": 1, "b": 3}
    assert sorted(one.name for one in await fleet.replicas()) == ["a-r0", "b-r0", "b-r1", "b-r2"]
    assert len(await fleet.lead_times()) == 2


async def test_who_is_silent_for_a_moment_is_as_before_and_nothing_moves() -> None:
    wires, clock = machines(a=4, b=4), Clock()
    fleet = ManyAgents(wires, clock, LOST_S)
    await fleet.apply([aim(4)], "d1")
    wires["a"].cut = True
    clock.now_s += LOST_S
    assert all(one.transition is None for one in await fleet.replicas())
    await fleet.apply([aim(4)], "d2")
    assert wires["b"].targets["chat-pool"].active == 2


async def test_who_is_silent_for_long_has_failed_and_others_take_over_until_it_is_back() -> None:
    wires, clock = machines(a=4, b=4), Clock()
    fleet = ManyAgents(wires, clock, LOST_S)
    await fleet.apply([aim(4)], "d1")
    assert len(await fleet.replicas()) == 4
    wires["a"].cut = True
    clock.now_s += LOST_S + 1
    failed = {one.name for one in await fleet.replicas() if one.transition is Transition.FAILED}
    assert failed == {"a-r0", "a-r1"}
    await fleet.apply([aim(4)], "d2")
    assert wires["b"].targets["chat-pool"].active == 4
    wires["a"].cut = False
    await fleet.apply([aim(4)], "d3")
    assert wires["a"].targets["chat-pool"].active + wires["b"].targets["chat-pool"].active == 4


async def test_a_machine_never_seen_is_no_empty_machine() -> None:
    wires = machines(a=4, b=4)
    wires["a"].cut = True
    fleet = ManyAgents(wires, Clock())
    with pytest.raises(httpx.ConnectError):
        await fleet.replicas()
    with pytest.raises(httpx.ConnectError):
        await fleet.apply([aim(4)], "d1")
    assert wires["b"].targets == {}


async def test_a_machine_never_seen_is_left_out_once_another_has_answered_for_so_long() -> None:
    wires, clock = machines(a=4, b=4), Clock()
    wires["a"].cut = wires["b"].cut = True
    fleet = ManyAgents(wires, clock, LOST_S)
    for _ in range(2):  # as long as nobody answers, nothing is known
        clock.now_s += LOST_S + 1
        with pytest.raises(httpx.ConnectError):
            await fleet.replicas()
    wires["b"].cut = False
    with pytest.raises(httpx.ConnectError):
        await fleet.replicas()
    clock.now_s += LOST_S + 1
    await fleet.apply([aim(3)], "d1")
    assert wires["b"].targets["chat-pool"].active == 3
    assert fleet.standings()["a"].trouble == "http://127.0.0.1:9000: no answer (cut)"


async def test_what_a_machine_refuses_is_told() -> None:
    fleet = ManyAgents(machines(a=4), Clock())
    with pytest.raises(KeyError, match="no pool other"):
        await fleet.apply([PoolTarget("chat", "other", 1)], "d1")


async def test_who_does_not_answer_is_not_waited_for_by_the_others_orders() -> None:
    wires, clock = machines(a=4, b=4), Clock()
    fleet = ManyAgents(wires, clock, LOST_S)
    await fleet.apply([aim(4)], "d1")
    wires["a"].cut = True
    await fleet.apply([aim(6)], "d2")
    assert wires["a"].told == ["d1"] and wires["b"].told == ["d1", "d2"]
    wires["b"].cut = True
    with pytest.raises(httpx.ConnectError):
        await fleet.apply([aim(6)], "d3")


async def test_a_machine_that_was_met_and_never_answers_is_waited_for_and_then_left_out() -> None:
    wires, clock = machines(a=4, b=4), Clock()
    fleet = ManyAgents({}, clock, LOST_S)
    assert await fleet.replicas() == () and fleet.url == ""
    wires["a"].cut = True
    fleet.meet(wires, {}, clock.now_s)
    with pytest.raises(httpx.ConnectError):
        await fleet.replicas()
    clock.now_s += LOST_S + 1
    await fleet.apply([aim(2)], "d1")
    assert wires["b"].targets["chat-pool"].active == 2 and wires["a"].told == []


async def test_a_machine_that_is_replaced_is_another_one() -> None:
    wires, clock = machines(a=4), Clock()
    fleet = ManyAgents(wires, clock, LOST_S)
    await fleet.apply([aim(2)], "d1")
    again = machines(a=4)
    fleet.meet(again, {}, clock.now_s)
    assert await fleet.replicas() == ()
    fleet.meet({}, {}, clock.now_s)
    assert await fleet.replicas() == ()


async def test_a_machine_that_leaves_is_emptied_when_the_others_serve_and_one_that_ends_at_once() -> None:
    wires, clock = machines(a=4, b=4), Clock()
    fleet = ManyAgents({"a": wires["a"]}, clock, LOST_S)
    await fleet.apply([aim(2)], "d1")
    fleet.meet(wires, {"a": Stay.LEAVING}, clock.now_s)
    await fleet.apply([aim(2)], "d2")
    assert [wire.targets["chat-pool"].active for wire in wires.values()] == [2, 2]
    await fleet.apply([aim(2)], "d3")
    assert [wire.targets["chat-pool"].active for wire in wires.values()] == [0, 2]
    fleet.meet(wires, {"b": Stay.ENDING}, clock.now_s)
    await fleet.apply([aim(2)], "d4")
    assert [wire.targets["chat-pool"].active for wire in wires.values()] == [2, 0]


async def test_a_pool_goes_to_the_machines_that_know_it() -> None:
    wires = machines(a=4, b=9)
    wires["b"].pools = ("other",)
    await ManyAgents(wires, Clock()).apply([aim(3)], "d1")
    assert wires["a"].targets["chat-pool"].active == 3 and wires["b"].targets == {}


async def test_sleepers_of_a_lost_machine_for_which_there_is_no_slot_are_no_reason_to_refuse_the_rest() -> None:
    with pytest.raises(ValueError, match="asleep 2, but its engine cannot sleep"):
        await ManyAgents(machines(a=2), Clock()).apply([replace(aim(1), asleep=5)], "d1")


async def test_who_refuses_the_token_is_left_as_it_is_and_holds_up_no_other() -> None:
    """Over real connections: one agent's tokens are changed before ours."""
    taken, clock = ["old-token-of-agents"], Clock()
    async with (
        listening(create_agent(Instant(), lambda: taken)) as a,
        listening(create_agent(Instant(), taken[0])) as b,
    ):
        agents = {"a": RemoteFleet(a, taken[0]), "b": RemoteFleet(b, taken[0])}
        many = ManyAgents(agents, clock)
        await many.apply([aim(2)], "d1")
        await many.replicas()
        taken[:] = ["new-token-of-agents"]
        for _ in range(2):
            clock.now_s += 2 * LOST_S
            await many.apply([aim(6)], "d2")
            assert [one.transition for one in await many.replicas()] == [None] * 6
        assert len(await agents["b"].replicas()) == 5 and len(await many.lead_times()) == 1
        said = "it refuses our token (401, the token is not right); the first line of fleet.token_file must be a token"
        found = {name: one.trouble for name, one in many.standings().items()}
        assert found == {"a": f"{a}: {said} that the agent takes", "b": ""}
        taken[:] = ["old-token-of-agents"]
        await many.apply([aim(6)], "d3")
        assert not many.standings()["a"].trouble
        await many.close()


async def test_all_that_were_not_heard_are_named_while_they_are_waited_for() -> None:
    wires = machines(a=4, b=4, c=4)
    wires["a"].cut = wires["c"].cut = True
    many = ManyAgents(wires, Clock())
    with pytest.raises(httpx.ConnectError):
        await many.replicas()
    assert {name for name, one in many.standings().items() if one.trouble} == {"a", "c"}
