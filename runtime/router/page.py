"""The router's metrics page. The names that collectors read are theirs; the others are for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collectors import gateway
from runtime.router.service import Service
from runtime.router.tenants import Tenants

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTERS = (
    (gateway.REJECTED, "rejected", "Requests turned away."),
    (gateway.ARRIVED, "arrived", "Requests that came."),
    (gateway.ENDED, "ended", "Requests whose fate is known, rejected ones too; not those whose client left."),
    (gateway.ATTAINED, "attained", "Requests that kept the latency promise."),
    ("leadtime_gateway_requests_lost_total", "lost", "Requests that broke off, or that no replica finished."),
    ("leadtime_gateway_requests_retried_total", "retried", "Requests sent again to another replica."),
    ("leadtime_gateway_requests_continued_total", "continued", "Streams that another replica finished."),
    ("leadtime_gateway_requests_left_total", "left", "Requests whose client left before the end."),
)

PER_REPLICA = (
    ("leadtime_gateway_replica_requests", "requests", "Requests sent to a replica that have not ended."),
    ("leadtime_gateway_replica_unprefilled_tokens", "unprefilled", "Prompt tokens sent and not prefilled."),
    ("leadtime_gateway_replica_kv_tokens", "kv_tokens", "Context of what runs on a replica, tokens."),
)

PER_TENANT = (
    ("leadtime_gateway_tenant_requests_total", "requests", "counter", "Requests of a tenant that were let in."),
    ("leadtime_gateway_tenant_tokens_total", "tokens", "counter", "Tokens of a tenant, prompts and answers."),
    ("leadtime_gateway_tenant_limited_total", "limited", "counter", "Requests of a tenant over its quota."),
    ("leadtime_gateway_tenant_in_flight", "in_flight", "gauge", "Requests of a tenant that have no end yet."),
)


PER_ARM = (
    ("leadtime_gateway_bandit_chosen_total", "chosen", "counter", "Requests that a bandit gave an arm."),
    ("leadtime_gateway_bandit_loss", "mean", "gauge", "Mean loss of an arm: share of time, usd per 1M tokens, or J."),
    ("leadtime_gateway_bandit_weight", "weight", "gauge", "Requests that the loss of an arm is known from."),
)


def page(services: Iterable[Service], tenants: Tenants, fleet_errors: int) -> str:
    """Everything, in the Prometheus text format."""
    known = list(services)
    return "\n".join([*_lines(known, fleet_errors), *_of_tenants(tenants), *_of_arms(known), ""])


def _of_tenants(tenants: Tenants) -> Iterator[str]:
    """By name where it is configured; all others together."""
    for name, field, kind, text in PER_TENANT:
        yield from _head(name, kind, text)
        for tenant, used in tenants.used.items():
            yield f'{name}{{tenant="{tenant}"}} {getattr(used, field)}'


def _of_arms(services: list[Service]) -> Iterator[str]:
    """What bandits believe; no loss where an arm was never tried."""
    for name, field, kind, text in PER_ARM:
        yield from _head(name, kind, text)
        for service in services:
            for arm, belief in service.bandit.beliefs.items() if service.bandit else ():
                if (value := getattr(belief, field)) is not None:
                    yield f'{name}{{service="{service.spec.name}",arm="{arm}"}} {value}'


def _lines(services: list[Service], fleet_errors: int) -> Iterator[str]:
    yield from _head(gateway.HELD, "gauge", "Requests that wait for a replica.")
    for service in services:
        yield f'{gateway.HELD}{{service="{service.spec.name}"}} {service.held}'
    by_class = "leadtime_gateway_class_held"
    yield from _head(by_class, "gauge", "Requests of a class that wait for a replica.")
    for service in services:
        for level, each in enumerate(service.spec.classes):
            yield f'{by_class}{{service="{service.spec.name}",class="{each.name}"}} {service.held_of(level)}'
    for name, field, text in COUNTERS:
        yield from _head(name, "counter", text)
        for service in services:
            yield f'{name}{{service="{service.spec.name}"}} {getattr(service.counts, field)}'
    for name, field, text in PER_REPLICA:
        yield from _head(name, "gauge", text)
        for service in services:
            for load in service.loads.values():
                yield f'{name}{{service="{service.spec.name}",replica="{load.name}"}} {getattr(load, field)}'
    errors = "leadtime_gateway_fleet_errors_total"
    yield from _head(errors, "counter", "Times that the fleet could not be asked for its replicas.")
    yield f"{errors} {fleet_errors}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
