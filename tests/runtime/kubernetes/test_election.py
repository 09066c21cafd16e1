"""Never two that write, and never nobody for long: an hour of contenders that die, stall and hear late."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.kubernetes.election import Ask, Election, Record, Terms, record

TERMS = Terms()
HOUR_S = 3600.0


@dataclass(slots=True)
class Hour:
    """A server with one Lease, and contenders whose messages take time or are lost on the way there or back."""

    rng: random.Random
    loss: float
    kill_each_s: float
    way_s: float = 2.0
    only_leaders: bool = False
    now_s: float = 0.0
    lease: Record | None = None
    version: int = 0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    serial: int = 0
    spans: list[tuple[str, float, float]] = field(default_factory=list)
    """Who might have had a write under way, from when until when."""
    deaths: list[float] = field(default_factory=list)
    """When one that led was killed."""

    def at(self, delay_s: float, act: Callable[[], None]) -> None:
        self.serial += 1
        heapq.heappush(self.events, (self.now_s + delay_s, self.serial, act))

    def run(self) -> None:
        while self.events and self.events[0][0] < HOUR_S:
            self.now_s, _, act = heapq.heappop(self.events)
            act()

    def put(self, ask: Ask, wanted: Record) -> Record | None:
        """What the API server does: one version at a time."""
        stands = (
            self.lease is None if ask is Ask.CREATE else self.lease is not None and self.lease.version == wanted.version
        )
        if not stands:
            return None
        self.version += 1
        self.lease = replace(wanted, version=str(self.version))
        return self.lease


class Contender:
    """Runs on a clock of its own, is killed at random, and is then started again as somebody else."""

    def __init__(self, hour: Hour, name: str) -> None:
        self.hour, self.name, self.life = hour, name, 0
        self.born()

    def born(self) -> None:
        self.life += 1
        self.state = Election(f"{self.name}-{self.life}", TERMS)
        self.offset_s = self.hour.rng.uniform(-1e6, 1e6)
        life = self.life
        self.hour.at(self.hour.rng.uniform(0, TERMS.retry_s), lambda: self.turn(life))
        self.hour.at(self.hour.rng.expovariate(1 / self.hour.kill_each_s), lambda: self.die(life))

    def die(self, life: int) -> None:
        if life != self.life:
            return
        if self.hour.only_leaders and not self.state.leads(self.clock()):
            self.hour.at(1.0, lambda: self.die(life))
            return
        if self.state.leads(self.clock()):
            self.hour.deaths.append(self.hour.now_s)
        self.life += 1
        self.hour.at(self.hour.rng.uniform(0, 20), self.born)

    def clock(self) -> float:
        return self.hour.now_s + self.offset_s

    def turn(self, life: int) -> None:
        if life != self.life:
            return
        self.state.check(self.clock())
        if self.state.lost:
            self.life += 1
            self.hour.at(self.hour.rng.uniform(0, 5), self.born)
            return
        ask, asked_s, state = self.state.ask(self.clock()), self.clock(), self.state
        there, back = (self.hour.rng.uniform(0.001, self.hour.way_s) for _ in range(2))
        if self.hour.rng.random() < self.hour.loss:
            self.hour.at(state.terms.retry_s, lambda: self.turn(life))
            return
        body = (
            None
            if ask is Ask.READ
            else record({**state.body("l", "n", 1.0), "metadata": {"resourceVersion": self._version()}})
        )

        def arrive() -> None:
            said = self.hour.lease if body is None else self.hour.put(ask, body)
            if self.hour.rng.random() < self.hour.loss:
                self.hour.at(state.terms.retry_s, lambda: self.turn(life))
            else:
                self.hour.at(back, lambda: self.hear(life, ask, said, asked_s))

        self.hour.at(there, arrive)

    def _version(self) -> str:
        known = self.state._record
        return known.version if known else ""

    def hear(self, life: int, ask: Ask, said: Record | None, asked_s: float) -> None:
        if life != self.life:
            return
        if ask is Ask.READ:
            self.state.read(said, self.clock())
        elif said is None:
            self.state.refused()
        else:
            self.state.granted(said, asked_s, self.clock())
            if self.state.leads(self.clock()):
                end_s = asked_s - self.offset_s + TERMS.deadline_s
                self.hour.spans.append((self.state.identity, self.hour.now_s, end_s))
        due = self.state.ask(self.clock())
        refused = ask is not Ask.READ and said is None
        at_once = refused or (due is not Ask.READ and ask is Ask.READ)
        wait_s = 0.0 if at_once else self.state.wait_s(self.clock())
        self.hour.at(wait_s, lambda: self.turn(life))


def lived(seed: int, loss: float, kill_each_s: float, **changes: Any) -> Hour:
    hour = Hour(random.Random(seed), loss, kill_each_s, **changes)
    for name in "ab":
        Contender(hour, name)
    hour.run()
    return hour


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.5), st.floats(20, 2000))
def test_there_are_never_two_whose_writes_could_meet(seed: int, loss: float, kill_each_s: float) -> None:
    spans = lived(seed, loss, kill_each_s).spans
    last: dict[str, float] = {}
    for who, begin_s, end_s in spans:
        others = [until_s for other, until_s in last.items() if other != who]
        assert all(until_s + TERMS.flight_s <= begin_s + 1e-6 for until_s in others)
        last[who] = end_s


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_somebody_leads_again_within_the_lease(seed: int) -> None:
    """Where a message takes up to 0.1 s: beside one look the spare of 3 s leaves 1 s, for eight of them."""
    hour = lived(seed, 0.0, 300.0, way_s=0.1, only_leaders=True)
    assert hour.spans[0][1] < 2 * TERMS.retry_s
    for death_s in hour.deaths:
        begun = [begin_s for _, begin_s, _ in hour.spans if begin_s > death_s]
        assert min(begun, default=HOUR_S) - death_s <= TERMS.duration_s


def held(holder: str = "other", version: str = "1", duration_s: float = 30.0) -> Record:
    return Record(holder, duration_s, "", "", 3, version)


def test_a_lease_that_changes_is_never_expired_whatever_its_times_say() -> None:
    state = Election("me", TERMS)
    for i in range(100):
        state.read(held(version=str(i)), 20.0 * i)
        assert state.ask(20.0 * i + 19) is Ask.READ
    assert state.ask(20.0 * 99 + 26.9) is Ask.READ and state.wait_s(20.0 * 99 + 26) == 1.0
    assert state.ask(20.0 * 99 + 27) is Ask.UPDATE


def test_a_released_lease_is_taken_at_once_and_a_missing_one_made() -> None:
    state = Election("me", TERMS)
    assert state.ask(0.0) is Ask.READ
    state.read(held(holder=""), 0.0)
    assert state.ask(0.0) is Ask.UPDATE
    state.read(None, 0.0)
    assert state.ask(0.0) is Ask.CREATE


def test_a_leader_stops_by_its_own_clock_and_for_good() -> None:
    state = Election("me", TERMS)
    state.read(None, 0.0)
    state.granted(held("me"), asked_s=1.0, now_s=3.0)
    assert state.leads(12.9) and not state.leads(13.0)
    state.check(13.0)
    state.granted(held("me", "2"), asked_s=13.0, now_s=14.0)
    assert state.lost and not state.leads(14.0)


def test_a_leader_that_sees_another_has_lost() -> None:
    state = Election("me", TERMS)
    state.granted(held("me"), 0.0, 0.0)
    state.refused()
    state.read(held("other", "2"), 1.0)
    assert state.lost and not state.leads(1.0)


def test_a_refusal_that_was_our_own_lost_answer_is_no_loss() -> None:
    state = Election("me", TERMS)
    state.granted(held("me"), 0.0, 0.0)
    state.refused()
    state.read(held("me", "2"), 1.0)
    assert state.leads(1.0) and state.ask(1.0) is Ask.UPDATE


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"duration_s": 20.0}, "at least deadline_s"),
        ({"duration_s": 30.5}, "whole number"),
        ({"retry_s": 12.0}, "below deadline_s"),
        ({"spare_s": 1.0}, "at least retry_s"),
    ],
)
def test_terms_that_two_could_lead_by_are_refused(told: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Terms(**told)
