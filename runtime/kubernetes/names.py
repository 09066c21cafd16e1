"""The names that are ours in a cluster: what the fleet writes, the generated manifests select and people grep for.

Each is spelt here once. A name never changes meaning; a new one is added beside it.
"""

from __future__ import annotations

DOMAIN = "leadtime.dev"

SERVICE_LABEL = f"{DOMAIN}/service"
"""The service whose requests a pod serves, on workloads and pods."""

POOL_LABEL = f"{DOMAIN}/pool"
"""The pool that a workload is."""

WARM_LABEL = f"{DOMAIN}/warm"
"""On workloads: the Deployment of placeholder pods that keep nodes warm for it."""

ROTATION_LABEL = f"{DOMAIN}/rotation"
"""On pods: whether the Service's selector takes them. A template says ``in``, so that pods serve without us too."""

ROTATION_IN = "in"

AGENT_LABEL = f"{DOMAIN}/agent"
"""On pods that run ``leadtime agent``: ``in``, or ``leaving`` for one that is to be emptied by hand."""

AGENT_LEAVING = "leaving"

AGENT_PORT = "agent"
"""Name of the port at which an agent answers."""

ANNOTATIONS = f"{DOMAIN}/"
"""Prefix of every annotation that we write."""

PROMETHEUS_PORT = "http"
"""Name of the port that serves requests and metrics of an engine."""

POLICY_GROUP = DOMAIN
POLICY_VERSION = "v1alpha1"
POLICY_KIND = "ScalingPolicy"
POLICY_PLURAL = "scalingpolicies"

FIELD_MANAGER = "leadtime"
"""Who we are to server-side apply, and the reporting controller of our events."""
