"""What a backtest shows is what the daemon would do: the daemon itself, ticking over the same fleet and traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.daemon.loop import told
from app.daemon.parts import Configured, Daemon
from app.daemon.start import remember_load, restore
from app.daemon.tick import tick
from autoscaler.backtest.case import Case
from autoscaler.backtest.contenders import SCRAPE_S, Ours
from collectors.engines import read_engine
from collectors.gateway import read_gateway
from collectors.observation import Scrape
from collectors.source import Target
from runtime.agent.client import Standing
from runtime.fleet import LeadTimeSample, PoolTarget
from runtime.replica import Replica
from runtime.simulated.pages import engine_page, gateway_page
from runtime.simulated.summary import summarise
from runtime.simulated.world import World
from tests.app.fakes import FakeClock, daemon_on
from tests.autoscaler.backtest.cases import START_S, case, trace


@dataclass
class WorldFleet:
    """A simulated fleet that a daemon moves."""

    world: World
    url: str = "http://fleet"

    async def replicas(self) -> tuple[Replica, ...]:
        return tuple(self.world.view(""))

    async def apply(self, targets: Sequence[PoolTarget], decision_id: str) -> None:
        self.world.set_targets(targets)

    async def lead_times(self) -> tuple[LeadTimeSample, ...]:
        return tuple(self.world.replicas.lead_times)

    async def nodes(self) -> tuple[str, ...]:
        return ()

    async def past(self) -> dict[str, list[list[float]]]:
        return {}

    def standings(self) -> dict[str, Standing]:
        return {}

    async def close(self) -> None:
        pass


@dataclass
class WorldSource:
    """Its pages, read as the collectors read them."""

    world: World

    async def scrape(self, targets: Sequence[Target], at_s: float) -> Scrape:
        engines = [target.name for target in targets if target.kind == "engine"]
        out = self.world.outcomes[0]
        rows = [("chat", len(self.world.held[0]), out.rejected, self.world.arrived[0], out.requests, out.attained)]
        gateway, _ = read_gateway(gateway_page(rows).encode(), at_s)
        samples = {name: read_engine("vllm", name, self.page(name), at_s)[0] for name in engines}
        return Scrape(at_s, samples, gateway=gateway)

    def page(self, name: str) -> bytes:
        replica = self.world.replicas.by_name[name]
        pool = self.world.services[replica.service].pool
        return engine_page(self.world.state, replica.row, pool, replica.asleep, replica.created_s).encode()

    async def close(self) -> None:
        pass


async def daemon_over(world: World, of: Case, folder: Path) -> Daemon:
    daemon = daemon_on(
        folder,
        fleet=WorldFleet(world),
        source=WorldSource(world),
        clock=FakeClock(START_S),
        configured=(Configured(of.pool, of.acting()),),
        interval_s=SCRAPE_S,
    )
    restore(daemon, told(daemon, START_S))
    await remember_load(daemon, START_S)
    return daemon


async def test_ours_decides_as_the_daemon_does(tmp_path: Path) -> None:
    """Half an hour, the load growing to seven times what it was: tick by tick the same targets, in the end one bill."""
    of = case(trace(1800.0, rps=4.0, growth=7.0))
    live, virtual, ours = of.world(), of.world(), Ours(of)
    daemon = await daemon_over(live, of, tmp_path)
    for at_s in (START_S + SCRAPE_S * index for index in range(1, 121)):
        for world in (live, virtual):
            world.run_until(at_s)
        await tick(daemon, at_s)
        target = ours.target(virtual)
        if target is not None:
            virtual.set_targets([target])
        assert live.replicas.targets == virtual.replicas.targets
    assert live.accounts[0].scale_ups >= 3
    assert summarise(live) == summarise(virtual)
