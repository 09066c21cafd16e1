"""From settings to what a router is told."""

from __future__ import annotations

from dataclasses import replace

from app.routersettings import ClassSettings
from app.settings import ServiceSettings, Settings
from runtime.router.sizes import Sizes
from runtime.router.spec import Limits, Promise, RoutedService, RouterSpec, ServiceClass
from runtime.router.tenants import Quota, Tenancy


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
        continue_streams=chosen.continue_streams,
    )
    named = {name: Quota(**quota.model_dump()) for name, quota in chosen.tenants.named.items()}
    tenancy = Tenancy(chosen.tenants.header, named, Quota(**chosen.tenants.default.model_dump()))
    services = tuple(_routed(service, service.router.policy or chosen.policy) for service in settings.services)
    return RouterSpec(services, limits, tenancy, chosen.class_header)


def _routed(service: ServiceSettings, policy: str) -> RoutedService:
    slo = service.policy.slo
    pools = {pool.name: pool for pool in (service.pool, *service.more_pools)}
    promise = Promise(slo.ttft_s, slo.ttft_s_per_1k_tokens, slo.tpot_s)
    classes = tuple(_class(each, promise) for each in service.router.classes)
    sizes, bandit = Sizes(service.router.up_to_tokens), service.router.bandit.spec()
    return RoutedService(service.name, pools, promise, policy, classes or (ServiceClass("all"),), sizes, bandit)


def _class(chosen: ClassSettings, promise: Promise) -> ServiceClass:
    own = replace(promise, ttft_s=chosen.ttft_s or promise.ttft_s, tpot_s=chosen.tpot_s or promise.tpot_s)
    return ServiceClass(chosen.name, chosen.share, own)
