"""From settings and a workload to a simulated fleet: what ``leadtime up`` puts in the place of a machine room.

Services of the built-in fleet get the built-in workload; any other service gets one of the same shape, scaled to
its pool, so that its peak fills most of what its policy allows.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from app.errors import UserError
from app.settings import ServiceSettings, Settings
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.server import FleetSpec
from runtime.simulated.workload import ServiceLoad, SyntheticWorkload, TraceWorkload, Workload, default_services
from runtime.traces import TraceError, load

REAL_SPEED = 1.0

START = datetime(2026, 1, 5, 8, 40, tzinfo=UTC)
"""A Monday morning, shortly before the day's first peak; where virtual time begins unless it is real time."""

USUAL_INPUT_TOKENS, USUAL_OUTPUT_TOKENS = 1200.0, 250.0


def fleet_spec(settings: Settings, speed: float, trace: Path | None, seed: int = 0) -> FleetSpec:
    """The fleet to serve; raises ``UserError`` with one line where the trace cannot be read."""
    services = tuple(simulated(service) for service in settings.services)
    return FleetSpec(services, workload(settings, speed, trace, seed), speed, seed)


def simulated(service: ServiceSettings) -> SimulatedService:
    """A service as the simulation sees it; its cluster has room for twice what its policy allows today."""
    policy = service.policy
    target = LatencyTarget(policy.slo.ttft_s, policy.slo.ttft_s_per_1k_tokens, policy.slo.tpot_s)
    room = 2 * max(policy.replicas.max, 4)
    return SimulatedService(service.name, service.pool, target, policy.replicas.min, room)


def workload(settings: Settings, speed: float, trace: Path | None, seed: int) -> Workload:
    """The trace for the first service, or the synthetic workload for all."""
    if trace is None:
        start_s = time.time() if speed == REAL_SPEED else START.timestamp()
        return SyntheticWorkload([load_of(service) for service in settings.services], start_s, seed)
    try:
        recorded = load(trace)
    except TraceError as error:
        raise UserError(str(error)) from None
    start_s = time.time() if speed == REAL_SPEED else recorded.start_s or START.timestamp()
    return TraceWorkload(recorded, settings.services[0].name, start_s)


def load_of(service: ServiceSettings) -> ServiceLoad:
    """The built-in load of that name, or one whose peak keeps six tenths of the allowed replicas at half load."""
    for built_in in default_services():
        if built_in.name == service.name:
            return built_in
    work_s = service.pool.step.work_ms(USUAL_INPUT_TOKENS, USUAL_OUTPUT_TOKENS) / 1000
    peak_rps = 0.5 * 0.6 * service.policy.replicas.max / work_s
    return ServiceLoad(
        service.name, peak_rps / 3, peak_rps, 11.0, 3.25, 0.75, USUAL_INPUT_TOKENS, 1.2, USUAL_OUTPUT_TOKENS, 1.0
    )
