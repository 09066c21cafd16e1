"""From settings to what a router is told."""

from __future__ import annotations

from app.settings import ServiceSettings, Settings
from runtime.router.spec import Limits, Promise, RoutedService, RouterSpec


def router_spec(settings: Settings) -> RouterSpec:
    """The router of these services. Latency targets are those of each policy's first version."""
    chosen = settings.router
    limits = Limits(
        body_bytes=chosen.body_bytes,
        held=chosen.held,
        hold_s=chosen.hold_s,
        in_flight=chosen.in_flight,
        connect_s=chosen.connect_s,
        read_s=chosen.read_s,
        write_s=chosen.write_s,
    )
    return RouterSpec(
        tuple(_routed(service, service.router.policy or chosen.policy) for service in settings.services), limits
    )


def _routed(service: ServiceSettings, policy: str) -> RoutedService:
    slo = service.policy.slo
    pools = {pool.name: pool for pool in (service.pool, *service.more_pools)}
    return RoutedService(service.name, pools, Promise(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s), policy)
