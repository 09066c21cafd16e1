"""Knobs are tuned beside the loop: taken over when found, kept over a restart, and never in the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.daemon import tuning
from app.daemon.memory import Memory, ServiceMemory
from app.daemon.tuning import Searching, recall
from app.daemon.workers import WorkerFailed
from autoscaler.decision import ControlState, TierCounts
from autoscaler.policy import Policy
from autoscaler.safety.overrides import Kind, Override
from autoscaler.tuning.choice import Choice, Price
from autoscaler.tuning.knobs import laid_over, values
from autoscaler.tuning.store import TuningStore
from autoscaler.tuning.worker import chosen, serve
from collectors.store import open_store
from tests.autoscaler.cases import NOW_S, POOL
from tests.autoscaler.tuning.pasts import POLICY, moments

LAVISH = laid_over(POLICY, {"risk.headroom": 1.6, "reactive.load_factor": 2.5})


def service(policy: Policy = LAVISH, hours: float = 7.0) -> Memory:
    known = ServiceMemory(POOL, ControlState("chat", POOL, TierCounts(), NOW_S), policy, 1)
    for moment in moments(hours):
        known.tuner.remember(moment, policy.tuning.over_s)
    return Memory(services={"chat": known})


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> TuningStore:
    async def here(given: bytes) -> Choice:
        return chosen(serve(given))

    monkeypatch.setattr(tuning, "elsewhere", here)
    return TuningStore(open_store("sqlite://"))


async def searched(memory: Memory, store: TuningStore) -> Searching:
    searching = Searching()
    await searching.advance(memory, store, NOW_S)
    assert searching.running is not None
    await asyncio.wait({searching.running})
    await searching.advance(memory, store, NOW_S)
    return searching


async def test_what_is_found_is_in_effect_and_survives_a_restart(store: TuningStore) -> None:
    memory = service()
    await searched(memory, store)
    known, again = memory.services["chat"], service(hours=0.0).services["chat"]
    assert known.in_effect != known.policy == LAVISH
    recall(again, store, NOW_S)
    assert again.in_effect == known.in_effect


async def test_a_restart_with_other_knobs_goes_on_with_those(store: TuningStore) -> None:
    await searched(service(), store)
    again = service(POLICY, hours=0.0).services["chat"]
    recall(again, store, NOW_S)
    assert again.in_effect == POLICY


async def test_a_knob_turned_during_the_search_voids_it(store: TuningStore) -> None:
    memory, searching = service(), Searching()
    await searching.advance(memory, store, NOW_S)
    memory.services["chat"].policy = POLICY
    assert searching.running is not None
    await asyncio.wait({searching.running})
    await searching.advance(memory, store, NOW_S)
    assert memory.services["chat"].in_effect == POLICY


async def test_a_search_that_fails_leaves_the_last_settings_and_says_so(
    store: TuningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(given: bytes) -> Choice:
        raise WorkerFailed("no memory left")

    monkeypatch.setattr(tuning, "elsewhere", broken)
    memory = service()
    searching = await searched(memory, store)
    known = memory.services["chat"]
    assert known.tuning_trouble == "no memory left; the last good settings stay"
    assert known.in_effect == LAVISH and searching.running is None
    assert values(known.policy) == values(LAVISH)


async def test_nothing_is_searched_before_it_is_due(store: TuningStore) -> None:
    searching = Searching()
    await searching.advance(service(hours=1.0), store, NOW_S)
    assert searching.running is None
    await searching.stop()


def freeze(memory: Memory) -> None:
    known = memory.services["chat"]
    held = Override("o", "chat", Kind.FREEZE, None, NOW_S - 60, NOW_S + 600, "ann", "incident 7")
    known.control = replace(known.control, overrides=(held,))


async def test_a_freeze_holds_the_knobs_until_it_is_over(store: TuningStore) -> None:
    memory, searching = service(), Searching()
    await searching.advance(memory, store, NOW_S)
    assert searching.running is not None
    freeze(memory)
    await asyncio.wait({searching.running})
    await searching.advance(memory, store, NOW_S)
    assert memory.services["chat"].in_effect == LAVISH and store.newest("chat") is None
    memory = service()
    freeze(memory)
    await searching.advance(memory, store, NOW_S)
    assert searching.running is None
    await searching.advance(memory, store, NOW_S + 600)
    assert searching.running is not None
    await asyncio.wait({searching.running})


def test_what_is_decided_from_names_the_knobs_that_are_not_the_policy_s() -> None:
    memory = service(hours=0.0)
    known = memory.services["chat"]
    tuning.tell(memory.services)
    assert known.control.tuned == ()
    known.tuner.adopt(Choice(values(POLICY), Price(1.0), True, 0.1, 0.1, "because"))
    tuning.tell(memory.services)
    assert {knob.name for knob in known.control.tuned} == {"risk.headroom", "reactive.load_factor"}
