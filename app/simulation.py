"""From settings and a workload to a simulated fleet: what ``leadtime up`` puts in the place of a machine room.

Services of the built-in fleet get the built-in workload; any other service gets one of the same shape, scaled to
its pool, so that its peak fills most of what its policy allows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.errors import UserError
from app.settings import ServiceSettings, Settings
from runtime.simulated.outcomes import LatencyTarget
from runtime.simulated.replicas import SimulatedService
from runtime.simulated.server import FleetSpec
from runtime.simulated.workload import ServiceLoad, SyntheticWorkload, TraceWorkload, Workload, default_services
from runtime.traces import TraceError, load

REAL_SPEED = 1.0

SEED = 7
"""Seed of every draw of a simulated run: two runs see the same requests and the same lead times."""

FRIDAY = 4

USUAL_INPUT_TOKENS, USUAL_OUTPUT_TOKENS = 1200.0, 250.0


def fleet_spec(settings: Settings, speed: float, trace: Path | None, seed: int = SEED) -> FleetSpec:
    """The fleet to serve; raises ``UserError``, one line, for a pool or a trace that cannot be simulated."""
    services = tuple(simulated(service) for service in settings.services)
    racks = tuple(rack.rack() for rack in settings.racks)
    return FleetSpec(services, workload(settings, speed, trace, seed), speed, seed, racks)


def simulated(service: ServiceSettings) -> SimulatedService:
    """A service as the simulation sees it; its cluster has room for twice what its policy allows today."""
    policy = service.policy
    target = LatencyTarget(policy.slo.ttft_s, policy.slo.ttft_s_per_1k_tokens, policy.slo.tpot_s)
    room = 2 * max(policy.replicas.max, 4)
    try:
        return SimulatedService(
            service.name,
            service.pool,
            target,
            policy.replicas.min,
            room,
            rack=service.rack,
            more_pools=service.more_pools,
        )
    except ValueError as error:
        raise UserError(f"service {service.name}, {error}") from None


def workload(settings: Settings, speed: float, trace: Path | None, seed: int) -> Workload:
    """The trace for the first service, or the synthetic workload for all."""
    wall = datetime.now(UTC)
    start_s = wall.timestamp() if speed == REAL_SPEED else morning(wall).timestamp()
    if trace is None:
        return SyntheticWorkload([load_of(service) for service in settings.services], start_s, seed)
    try:
        recorded = load(trace)
    except TraceError as error:
        raise UserError(str(error)) from None
    if recorded.start_s is not None and speed != REAL_SPEED:
        start_s = recorded.start_s
    return TraceWorkload(recorded, settings.services[0].name, start_s)


def morning(wall: datetime) -> datetime:
    """Shortly before the first peak of the newest working day: where virtual time begins unless it is real time."""
    day = wall - timedelta(days=max(0, wall.weekday() - FRIDAY))
    return day.replace(hour=8, minute=55, second=0, microsecond=0)


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
