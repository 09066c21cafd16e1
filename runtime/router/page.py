"""The router's metrics page. The names that collectors read are theirs; the others are for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collectors import gateway
from runtime.router.service import Service

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTERS = (
    (gateway.REJECTED, "rejected", "Requests turned away."),
    (gateway.ARRIVED, "arrived", "Requests that came."),
    (gateway.ENDED, "ended", "Requests whose fate is known, rejected ones too; not those whose client left."),
    (gateway.ATTAINED, "attained", "Requests that kept the latency promise."),
    ("leadtime_gateway_requests_lost_total", "lost", "Requests that broke off, or that no replica finished."),
    ("leadtime_gateway_requests_retried_total", "retried", "Requests sent again to another replica."),
    ("leadtime_gateway_requests_left_total", "left", "Requests whose client left before the end."),
)

PER_REPLICA = (
    ("leadtime_gateway_replica_requests", "requests", "Requests sent to a replica that have not ended."),
    ("leadtime_gateway_replica_unprefilled_tokens", "unprefilled", "Prompt tokens sent and not prefilled."),
    ("leadtime_gateway_replica_kv_tokens", "kv_tokens", "Context of what runs on a replica, tokens."),
)


def page(services: Iterable[Service], fleet_errors: int) -> str:
    """Everything, in the Prometheus text format."""
    return "\n".join([*_lines(list(services), fleet_errors), ""])


def _lines(services: list[Service], fleet_errors: int) -> Iterator[str]:
    yield from _head(gateway.HELD, "gauge", "Requests that wait for a replica.")
    for service in services:
        yield f'{gateway.HELD}{{service="{service.spec.name}"}} {service.held}'
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
