"""What one scrape has read so far, target by target: shared by the sources, which differ only in how pages
come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from collectors import dcgm, engines, gateway
from collectors.exposition import Page, Wanted
from collectors.observation import Gap, GatewaySample, GpuSample, ReplicaSample, Scrape, TenantSample
from collectors.redact import redacted
from collectors.source import Target


def wanted(target: Target) -> Wanted | None:
    """What to read of a target's page; None if nobody reads such targets."""
    if target.kind == "engine" and target.engine in engines.ENGINES:
        return engines.ENGINES[target.engine].wanted
    return {"dcgm": dcgm.WANTED, "gateway": gateway.WANTED}.get(target.kind)


@dataclass(slots=True)
class Catch:
    """Samples and gaps of one scrape."""

    replicas: dict[str, ReplicaSample] = field(default_factory=dict)
    gpus: list[GpuSample] = field(default_factory=list)
    gateway: dict[str, GatewaySample] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    tenants: dict[str, TenantSample] = field(default_factory=dict)

    def add(self, target: Target, page: Page, at_s: float) -> None:
        """Keep what the page of a target says, unless it says nothing."""
        if target.kind == "engine":
            sample, gaps = engines.sample_of(target.engine, target.name, page, at_s)
            if not engines.blank(sample):
                self.replicas[target.name] = sample
        elif target.kind == "dcgm":
            gpus, gaps = dcgm.samples_of(target.name, page, at_s)
            self.gpus.extend(gpus)
        else:
            services, gaps = gateway.samples_of(page, at_s)
            self.gateway.update(services)
            self.tenants.update(gateway.tenants_of(page, at_s))
        self.gaps.extend(gaps)

    def miss(self, target: Target, reason: str) -> None:
        """Note that a target was not seen, and why. The gateway's gap is everybody's, so it bears its kind."""
        self.gaps.append(Gap("gateway" if target.kind == "gateway" else target.name, redacted(reason)))

    def scrape(self, at_s: float) -> Scrape:
        """The whole as a scrape."""
        return Scrape(at_s, self.replicas, tuple(self.gpus), self.gateway, tuple(self.gaps), self.tenants)
