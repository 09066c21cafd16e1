"""A daemon over a simulated fleet in which two services sleep in one rack, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.api.attention import attention
from app.daemon.loop import one, told
from app.daemon.parts import Configured, Daemon, Shared
from app.daemon.start import reapply, remember_load, restore
from autoscaler.policy import Policy
from autoscaler.sharing.rack import RackPolicy
from collectors.observation import Scrape
from collectors.source import Target
from runtime.agent.client import Standing
from runtime.fleet import LeadTimeSample, PoolTarget, RackTarget, RackView
from runtime.pool import LeadTime, Pool
from runtime.rack import Rack
from runtime.replica import Replica, Tier
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.samples import scrape
from runtime.simulated.summary import summarise
from runtime.simulated.workload import TracesWorkload
from runtime.simulated.world import World
from runtime.traces import Trace
from tests.app.fakes import FakeClock, daemon_on
from tests.autoscaler.cases import POOL

START_S = 1_800_000_000.0
TICK_S = 15.0
CALM_S, BUSY_S = 600.0, 300.0
RPS = 4.0
NAMES = ("chat", "code")
RACK = Rack("shared", "H100", 2.5, 4, 32, LeadTime(60.0, 90.0), lent_share=0.3)
GENTLE = RackPolicy(window_s=120.0)
SLEEPER = replace(POOL, lead_times={Tier.ASLEEP: LeadTime(3.0, 6.0)})


def policy(mode: str = "auto") -> Policy:
    """Chat and code have a campaign that everybody knows of: four times the load, after the calm."""
    starts_at = datetime.fromtimestamp(START_S + CALM_S, UTC).isoformat()
    return Policy.model_validate(
        {
            "mode": mode,
            "replicas": {"min": 1, "max": 10},
            "scale_in": {"window_s": 60, "cooldown_s": 15, "settle_after_restart_s": 60},
            "events": [{"name": "campaign", "starts_at": starts_at, "duration_s": BUSY_S, "factor": 4}],
        }
    )


def pool(name: str) -> Pool:
    return replace(SLEEPER, name=f"{name}-h100", service=name)


def traffic(seed: int) -> Trace:
    """Ten calm minutes, five of four times the load, and calm again."""
    rng = np.random.default_rng(seed)
    parts = ((0.0, CALM_S, RPS), (CALM_S, BUSY_S, 4 * RPS), (CALM_S + BUSY_S, 2 * CALM_S, RPS))
    arrival_s = np.concatenate([np.sort(rng.uniform(a, a + s, round(s * rps))) for a, s, rps in parts])
    n = len(arrival_s)
    return Trace("made-up", arrival_s, rng.integers(200, 1800, n, np.int32), rng.integers(20, 400, n, np.int32))


def world() -> World:
    slo = LatencyTarget(2.0, 0.0, 0.05)
    services = [SimulatedService(name, pool(name), slo, 1, 12, rack="shared") for name in NAMES]
    traces = {name: traffic(i) for i, name in enumerate(NAMES)}
    return World(services, TracesWorkload(traces, START_S), racks=[RACK])


@dataclass
class RackedFleet:
    """The simulated fleet without HTTP; ``told`` are the rack targets in order, ``deaf`` hears none of them."""

    world: World
    url: str = "http://fleet"
    told: list[int] = field(default_factory=list)
    deaf: bool = False
    without: bool = False

    async def replicas(self) -> tuple[Replica, ...]:
        return tuple(self.world.view(""))

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        self.world.set_targets(targets)

    async def racks(self) -> tuple[RackView, ...]:
        return () if self.without else tuple(rack.view() for rack in self.world.racks.values())

    async def hold(self, targets: Sequence[RackTarget], decision_id: str) -> None:
        if self.deaf:
            raise httpx.ConnectError("gone in the middle")
        for target in targets:
            self.world.set_rack(target.rack, target.gpus)
            self.told.append(target.gpus)

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        return tuple(self.world.replicas.lead_times)

    async def nodes(self) -> tuple[str, ...]:
        return ()

    async def past(self) -> dict[str, list[list[float]]]:
        minutes = range(-120, 1)
        return {name: [[START_S + 60 * m, RPS, 1000.0, 210.0] for m in minutes] for name in NAMES}

    def standings(self) -> dict[str, Standing]:
        return {}

    async def close(self) -> None:
        pass


@dataclass
class WorldSource:
    """What its engines and gateway say."""

    world: World

    async def scrape(self, targets: Sequence[Target], at_s: float) -> Scrape:
        return scrape(self.world)

    async def close(self) -> None:
        pass


@dataclass
class Site:
    """The fleet, and the folder with the daemon's store."""

    folder: Path
    fleet: RackedFleet = field(default_factory=lambda: RackedFleet(world()))
    modes: tuple[str, str] = ("auto", "auto")

    async def start(self) -> Daemon:
        """A daemon's process begins."""
        daemon = daemon_on(
            self.folder,
            fleet=self.fleet,
            source=WorldSource(self.fleet.world),
            clock=FakeClock(self.now_s),
            configured=tuple(Configured(pool(n), policy(m)) for n, m in zip(NAMES, self.modes, strict=True)),
            shared=(Shared(RACK, GENTLE, NAMES),),
            interval_s=TICK_S,
        )
        restore(daemon, told(daemon, self.now_s))
        await reapply(daemon, self.now_s)
        await remember_load(daemon, self.now_s)
        return daemon

    @property
    def now_s(self) -> float:
        return self.fleet.world.now_s

    async def ticks(self, daemon: Daemon, until_s: float) -> list[RackView]:
        """Tick until so long after the start; the rack as the fleet reports it at every tick."""
        seen = []
        while self.now_s < START_S + until_s:
            self.fleet.world.run_until(self.now_s + TICK_S)
            await one(daemon, told(daemon, self.now_s))
            assert daemon.memory.trouble is None
            seen.append(self.fleet.world.racks["shared"].view())
        return seen


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def test_held_before_a_rise_given_back_after_it_and_lent_in_between(site: Site) -> None:
    daemon = await site.start()
    calm = await site.ticks(daemon, CALM_S - 2 * RACK.lead_time.p90_s)
    rising = await site.ticks(daemon, CALM_S)
    busy = await site.ticks(daemon, CALM_S + BUSY_S)
    after = await site.ticks(daemon, CALM_S + BUSY_S + CALM_S)
    assert rising[-1].held > calm[-1].held  # there before the first request of the campaign
    assert busy[-1].used > calm[-1].used and after[-1].held < busy[-1].held
    assert all(view.held - view.used == view.lent >= 0 for view in (*calm, *rising, *busy, *after))
    assert max(view.lent for view in rising) > 0  # until they are needed
    rows = summarise(site.fleet.world)
    assert [(row["lost"], row["rejected"]) for row in rows] == [(0, 0), (0, 0)]
    assert min(row["attainment"] for row in rows) > 0.98
    entries = daemon.rack_ledger.newest("shared", 1000)
    assert [entry.considered.decision.gpus for entry in reversed(entries)] == site.fleet.told
    assert all(entry.applied_at_s is not None for entry in entries)
    assert all(entry.considered.again() == entry.considered.decision for entry in entries)


async def test_a_restart_goes_on_and_gives_nothing_back_in_its_first_window(site: Site) -> None:
    daemon = await site.start()
    await site.ticks(daemon, CALM_S + BUSY_S)
    before = daemon.memory.racks["shared"].state
    again = await site.start()
    state = again.memory.racks["shared"].state
    assert before is not None and state == replace(before, started_at_s=site.now_s)
    high = site.fleet.told[-1]
    seen = await site.ticks(again, CALM_S + BUSY_S + GENTLE.window_s - TICK_S)
    assert min(view.wanted for view in seen) >= high
    assert (await site.ticks(again, CALM_S + BUSY_S + 600))[-1].wanted < high


async def test_a_new_store_begins_with_what_the_fleet_holds(site: Site) -> None:
    site.fleet.world.set_rack("shared", 20)
    daemon = await site.start()
    seen = await site.ticks(daemon, GENTLE.window_s - TICK_S)
    assert {view.wanted for view in seen} == {20}


async def test_what_was_decided_and_not_heard_is_told_again_after_a_restart(site: Site) -> None:
    daemon = await site.start()
    site.fleet.deaf = True
    site.fleet.world.run_until(site.now_s + TICK_S)
    await one(daemon, told(daemon, site.now_s))
    assert daemon.memory.trouble is not None and site.fleet.told == []
    site.fleet.deaf = False
    again = await site.start()
    entry = again.rack_ledger.newest("shared")[0]
    assert site.fleet.told == [entry.considered.decision.gpus] and entry.applied_at_s is not None


async def test_with_a_service_in_shadow_the_rack_is_left_alone(site: Site) -> None:
    site.modes = ("auto", "shadow")
    daemon = await site.start()
    seen = await site.ticks(daemon, CALM_S)
    assert site.fleet.told == [] and {view.wanted for view in seen} == {RACK.gpus}
    considered = daemon.memory.racks["shared"].considered
    assert considered is not None and not considered.decision.act and considered.decision.gpus > RACK.gpus


async def test_a_rack_that_the_fleet_has_not_is_said_and_not_decided_on(site: Site) -> None:
    site.fleet.without = True
    daemon = await site.start()
    await site.ticks(daemon, 60)
    assert daemon.rack_ledger.newest("shared") == [] and site.fleet.told == []
    assert any("no rack shared" in item.text for item in attention(daemon.memory, site.now_s))


async def test_idle_gpus_of_a_rack_cost_the_fleet_what_is_not_lent(site: Site) -> None:
    site.fleet.world.set_rack("shared", 20)
    site.fleet.world.run_until(START_S + 300)
    daemon = await site.start()
    await site.ticks(daemon, 330)
    known, services = daemon.memory.racks["shared"], daemon.memory.services.values()
    assert known.told is not None and known.idle_usd_per_hour == pytest.approx(known.told.lent * 2.5 * 0.3)
    own = sum(service.signals["usd_per_hour"] or 0.0 for service in services)
    assert daemon.memory.recent["usd_per_hour"][-1] == pytest.approx(own + known.idle_usd_per_hour)
