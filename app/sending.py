"""Whether requests are sent as the policy takes for granted, as far as ``leadtime doctor`` can know.

With ``routing: by-load`` replicas are planned as if they shared one queue (docs/how-it-decides.md). Who sends in turn
or by chance gives each a queue of its own, and then that many are too few. Promise: what is not known is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import create_engine, func, inspect, select, tuple_
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.check import Check
from app.settings import ServiceSettings, Settings
from autoscaler.policy import Routing
from autoscaler.store.policies import POLICIES

BLIND = ("random", "round-robin")
"""Policies of the router that look at nothing."""

WHY = "but policy.routing is by-load: replicas are planned as if they shared one queue, so first tokens may be late"


def routings(settings: Settings) -> dict[str, Routing]:
    """What the policies in force say, by service: the store's newest, else the file's. Of a store that cannot be read,
    which is a check of its own, nothing is known.
    """
    try:
        return {service.name: service.policy.routing for service in settings.services} | stored(settings.store.url)
    except (SQLAlchemyError, ImportError):
        return {}


def stored(url: str) -> dict[str, Routing]:
    """What the store's newest policies say; nothing is made or written."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        return {}
    with create_engine(parsed).connect() as connection:
        if not inspect(connection).has_table(POLICIES.name):
            return {}
        newest = select(POLICIES.c.service, func.max(POLICIES.c.version)).group_by(POLICIES.c.service)
        theirs = tuple_(POLICIES.c.service, POLICIES.c.version).in_(newest)
        kept = connection.execute(select(POLICIES.c.service, POLICIES.c.policy).where(theirs))
        return {service: Routing(policy.get("routing", Routing.BY_LOAD)) for service, policy in kept}


def by_router(settings: Settings, planned: Mapping[str, Routing]) -> Iterator[Check]:
    """Services that our router is told to send to blindly, against what is ``planned``."""
    for service in settings.services:
        if planned.get(service.name) is Routing.BY_LOAD and blind(settings, service):
            said = f"router policy {service.router.policy or settings.router.policy} does not look at load"
            right = "set policy.routing: blind, or a router policy that looks, such as sal"
            yield Check(f"routing of {service.name}", "warn", f"{said}, {WHY}; {right}")


def by_service(service: str, place: str) -> Check:
    """A Service of a cluster that sends to the replicas, no router of ours being seen before it."""
    said = f"what comes through Service {place} is sent by chance and no leadtime router is seen before it"
    right = "set policy.routing: blind, or source.gateway_url of the router"
    other = "that another gateway looks at load is said by routing: by-load in the fleet file"
    return Check(f"routing of {service}", "warn", f"{said}, {WHY}; {right}; {other}")


def taken_for_granted(settings: Settings, planned: Mapping[str, Routing]) -> frozenset[str]:
    """Services that are planned by load because nobody has said anything."""
    return frozenset(
        service.name
        for service in settings.services
        if planned.get(service.name) is Routing.BY_LOAD
        and "routing" not in service.policy.model_fields_set
        and not blind(settings, service)
    )


def blind(settings: Settings, service: ServiceSettings) -> bool:
    """Whether our router would send to any replica, whatever each has to do."""
    policy = service.router.policy or settings.router.policy
    tried = [arm.policy for arm in service.router.bandit.spec().arms] if policy == "bandit" else [policy]
    return all(one in BLIND for one in tried)
