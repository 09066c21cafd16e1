"""After a tick: nodes whose GPUs have failed are closed to new pods, where the fleet file allows it.

Only who acts does, and only while some service is scaled: in shadow mode nothing is touched.
"""

from __future__ import annotations

from app.daemon.leading import acts
from app.daemon.parts import Daemon
from app.kubernetes.fleet import ClusterFleet
from autoscaler.policy import Mode


async def close_nodes(daemon: Daemon) -> None:
    """Judge by what was scraped last; without that nothing is known, and nothing done."""
    scaled = any(known.policy.mode is Mode.AUTO for known in daemon.memory.services.values())
    if isinstance(daemon.fleet, ClusterFleet) and daemon.previous is not None and scaled and acts(daemon):
        await daemon.fleet.judge(daemon.previous.gpus, daemon.memory.now_s)
