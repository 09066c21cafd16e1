"""A pool of ``fleet.yaml`` as the engines that run it, so that what is served and what is scaled are told once."""

from __future__ import annotations

import re
from typing import Any

from app.errors import UserError
from app.manifests.engine import Engine
from app.settings import PoolSettings, ServiceSettings, Settings
from runtime.local.spec import Sleep
from runtime.replica import Tier

LEAST_START_S = 600.0
SLOWER = 3.0
"""A start that takes this many times its 90th percentile has failed."""


def engine_of(settings: Settings, pool: str, **given: Any) -> tuple[Engine, ServiceSettings]:
    """The pool's engine and its service; ``given`` options win. Raises ``UserError``, one line, for what cannot be."""
    for service in settings.services:
        for each in service.pools:
            if each.name == pool:
                return made(**(_told(service, each) | given)), service
    raise UserError(f"no pool {pool!r} in the fleet file; there are {', '.join(settings.pool_names())}")


def made(**options: Any) -> Engine:
    """An engine; its mistakes are the user's to mend."""
    if not options.get("model"):
        raise UserError("the model is missing; give --model NAME, or launch: {model: NAME} in the pool")
    try:
        return Engine(**options)
    except ValueError as error:
        raise UserError(str(error)) from None


def label(name: str) -> str:
    """A name as the DNS label that is closest to it."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")


def _told(service: ServiceSettings, pool: PoolSettings) -> dict[str, Any]:
    """What the file says of it."""
    told: dict[str, Any] = {
        "name": label(pool.name),
        "service": service.name,
        "pool": pool.name,
        "gpus": pool.gpus_per_replica,
        "drain_s": service.policy.scale_in.drain_deadline_s,
    }
    if cold := pool.lead_times.get(Tier.COLD):
        told["start_s"] = max(LEAST_START_S, SLOWER * cold.p90_s)
    if pool.launch is None:
        return told
    launch = pool.launch
    load = () if launch.load_format == "auto" else ("--load-format", launch.load_format)
    sleeps = launch.sleep in (Sleep.LEVEL1, Sleep.LEVEL2)
    return told | {"model": launch.model, "args": (*load, *launch.args), "env": launch.env, "sleep": sleeps}
