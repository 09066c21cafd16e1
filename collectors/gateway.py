"""Reads the page of the router in front of the services: requests that no engine has seen yet, or ever."""

from __future__ import annotations

import math

from collectors.exposition import Page, Wanted, parse
from collectors.observation import Gap, GatewaySample, TenantSample

HELD = "leadtime_gateway_requests_held"
REJECTED = "leadtime_gateway_requests_rejected_total"
ARRIVED = "leadtime_gateway_requests_arrived_total"
ENDED = "leadtime_gateway_requests_ended_total"
ATTAINED = "leadtime_gateway_requests_attained_total"
NAMES = (HELD, REJECTED, ARRIVED, ENDED, ATTAINED)
TENANT_REQUESTS = "leadtime_gateway_tenant_requests_total"
TENANT_TOKENS = "leadtime_gateway_tenant_tokens_total"
OF_TENANTS = (TENANT_REQUESTS, TENANT_TOKENS)
LABEL, TENANT = "service", "tenant"
WANTED = Wanted(frozenset({*NAMES, *OF_TENANTS}), over=frozenset({LABEL, TENANT}))


def read_gateway(page: bytes, at_s: float) -> tuple[dict[str, GatewaySample], tuple[Gap, ...]]:
    """Samples by service; a service that lacks one of held and rejected is a gap."""
    return samples_of(parse(page, WANTED), at_s)


def samples_of(page: Page, at_s: float) -> tuple[dict[str, GatewaySample], tuple[Gap, ...]]:
    """As ``read_gateway``, of a page that is already parsed."""
    gaps = [Gap("gateway", f"{gap.subject}: {gap.reason}") for gap in page.gaps]
    numbers: dict[str, dict[str, float]] = {}
    for name, samples in page.samples.items():
        if name in OF_TENANTS:
            continue
        for series, value in samples:
            service = series.labels.get(LABEL, "")
            if math.isfinite(value):
                numbers.setdefault(service, {})[name] = value
            else:
                gaps.append(Gap(service, f"{name} is {value}"))
    found: dict[str, GatewaySample] = {}
    for service, known in numbers.items():
        lacking = [name for name in (HELD, REJECTED) if name not in known]
        gaps += [Gap(service, f"{name} is missing") for name in lacking]
        if not lacking:
            counted = (known.get(name) for name in (ARRIVED, ENDED, ATTAINED))
            found[service] = GatewaySample(service, at_s, known[HELD], known[REJECTED], *counted)
    if not page.samples:
        gaps.append(Gap("gateway", "no leadtime_gateway metric on its page"))
    return found, tuple(gaps)


def tenants_of(page: Page, at_s: float) -> dict[str, TenantSample]:
    """Samples by tenant, of a page that is already parsed; none where the router tells no tenants apart."""
    requests, tokens = (
        {series.labels.get(TENANT, ""): value for series, value in page.samples.get(name, ()) if math.isfinite(value)}
        for name in OF_TENANTS
    )
    return {name: TenantSample(name, at_s, requests[name], tokens[name]) for name in requests if name in tokens}
