"""All alerts, by what they are about. Symptoms that users feel are critical; causes are warnings."""

from __future__ import annotations

from dashboards.alert import Group
from dashboards.alerts import fleet, gpus, loop, promise, router
from dashboards.settings import Settings


def groups(settings: Settings) -> tuple[Group, ...]:
    """Every group, in the order of the runbook."""
    return (
        Group("leadtime-promise", promise.alerts(settings)),
        Group("leadtime-loop", loop.ALERTS),
        Group("leadtime-fleet", fleet.ALERTS),
        Group("leadtime-router", router.ALERTS),
        Group("leadtime-gpus", gpus.ALERTS),
    )
