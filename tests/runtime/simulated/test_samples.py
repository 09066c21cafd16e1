"""What is taken straight from the engines is what the collectors would have read off their pages."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.engines import read_engine
from collectors.gateway import read_gateway
from collectors.observation import GatewaySample, ReplicaSample
from runtime.simulated.pages import engine_page, gateway_page
from runtime.simulated.samples import scrape
from runtime.simulated.world import World
from tests.runtime.simulated.fleets import replicas, run, service, submit_all, talk, target, trace, world


def read(fleet: World) -> dict[str, ReplicaSample]:
    """Every page through the collectors, which must find nothing missing."""
    found = {}
    for replica in replicas(fleet, settled=False):
        if replica.has_process:
            pool = fleet.services[replica.service].pool
            page = engine_page(fleet.state, replica.row, pool, replica.asleep, replica.created_s)
            found[replica.name], gaps = read_engine("vllm", replica.name, page.encode(), fleet.now_s)
            assert gaps == ()
    return found


def gates(fleet: World) -> dict[str, GatewaySample]:
    """The gateway's page, as the fleet's server fills it in, through the collectors."""
    parts = zip(fleet.services, fleet.held, fleet.outcomes, fleet.arrived, strict=True)
    rows = [
        (service.name, len(held), outcome.rejected, arrived, outcome.requests, outcome.attained)
        for service, held, outcome, arrived in parts
    ]
    return read_gateway(gateway_page(rows).encode(), fleet.now_s)[0]


def same(fleet: World) -> None:
    seen = scrape(fleet)
    assert seen.at_s == fleet.now_s
    assert dict(seen.replicas) == read(fleet)
    assert dict(seen.gateway) == gates(fleet)


def test_a_busy_fleet_is_seen_as_its_pages_show_it() -> None:
    fleet = run(world(service(active=2, kv_blocks=201, max_num_seqs=6), workload=trace(0.05, 400)), 15.0)
    same(fleet)
    sample = scrape(fleet).replicas["chat-0001"]
    assert sample.running and sample.waiting and sample.completed and sample.ttft is not None
    assert all(getattr(sample, field.name) is not None for field in fields(sample))


def test_preemptions_and_aborts_are_seen() -> None:
    fleet = world(service(kv_blocks=41))
    slots = submit_all(fleet, [(160, 300)] * 4)
    fleet.forget(slots[0])
    run(fleet, 20.0)
    same(fleet)
    sample = scrape(fleet).replicas["chat-0001"]
    assert sample.preemptions and sample.aborted == 1


def test_cached_prompts_are_seen() -> None:
    fleet = run(world(workload=talk(3)), 30.0)
    same(fleet)
    assert scrape(fleet).replicas["chat-0001"].cached_tokens == 480


def test_what_is_held_and_turned_away_is_seen_at_the_gateway() -> None:
    fleet = run(world(service(active=0, hold_s=20.0), workload=trace(1.0, 50)), 30.0)
    same(fleet)
    assert scrape(fleet).gateway["chat"] == GatewaySample("chat", fleet.now_s, 20.0, 10.0, 30.0, 10.0, 0.0)


@pytest.mark.parametrize(
    ("tiers", "seconds", "answering", "sleeping"),
    [((1, 1, 1), 50.0, 1, 0), ((1, 1, 1), 101.0, 3, 1), ((2, 0, 0, 1), 101.0, 2, 0), ((0, 0, 1), 2.0, 1, 0)],
)
def test_only_engines_that_run_answer(tiers: tuple[int, ...], seconds: float, answering: int, sleeping: int) -> None:
    """A start takes 100 s; falling asleep takes three."""
    fleet = run(target(world(), *tiers), seconds)
    same(fleet)
    assert len(scrape(fleet).replicas) == answering
    assert sum(bool(sample.sleeping) for sample in scrape(fleet).replicas.values()) == sleeping


def test_several_services_are_seen_apart() -> None:
    fleet = run(world(service(active=2), service("code"), workload=trace(0.5, 20)), 15.0)
    same(fleet)
    assert scrape(fleet).gateway["chat"].arrived == 20
    assert scrape(fleet).gateway["code"].arrived == 0


steps = st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 2), st.floats(0.1, 150.0))


@settings(max_examples=25)
@given(st.lists(steps, min_size=1, max_size=5), st.integers(20, 200))
def test_it_is_so_at_any_moment(moves: list[tuple[int, int, int, float]], blocks: int) -> None:
    fleet = world(service(active=2, kv_blocks=blocks, max_num_seqs=16), workload=trace(0.2, 500))
    for active, standby, asleep, seconds in moves:
        same(run(target(fleet, active, standby, asleep), seconds))
