"""Reads the page of the router in front of the services: requests that no engine has seen yet, or ever."""

from __future__ import annotations

import math

from collectors.exposition import Page, Wanted, parse
from collectors.observation import Gap, GatewaySample

HELD = "leadtime_gateway_requests_held"
REJECTED = "leadtime_gateway_requests_rejected_total"
ARRIVED = "leadtime_gateway_requests_arrived_total"
ENDED = "leadtime_gateway_requests_ended_total"
ATTAINED = "leadtime_gateway_requests_attained_total"
NAMES = (HELD, REJECTED, ARRIVED, ENDED, ATTAINED)
LABEL = "service"
WANTED = Wanted(frozenset(NAMES), over=frozenset({LABEL}))


def read_gateway(page: bytes, at_s: float) -> tuple[dict[str, GatewaySample], tuple[Gap, ...]]:
    """Samples by service; a service that lacks one of held and rejected is a gap."""
    return samples_of(parse(page, WANTED), at_s)


def samples_of(page: Page, at_s: float) -> tuple[dict[str, GatewaySample], tuple[Gap, ...]]:
    """As ``read_gateway``, of a page that is already parsed."""
    gaps = [Gap("gateway", f"{gap.subject}: {gap.reason}") for gap in page.gaps]
    numbers: dict[str, dict[str, float]] = {}
    for name, samples in page.samples.items():
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
