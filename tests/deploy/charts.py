"""The chart as tests use it: rendered by Helm's engine through ``deploy/render.py``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("render", ROOT / "deploy" / "render.py")
assert SPEC is not None and SPEC.loader is not None
render = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(render)

ALL: dict[str, Any] = {
    "watchNamespaces": ["llm", "search"],
    "rights": {
        "act": True,
        "editPolicies": True,
        "gpuInventory": True,
        "taintNodes": True,
        "scaleTargets": [{"group": "example.com", "resource": "pools"}],
    },
    "store": {"url": "postgresql+psycopg://leadtime@db/leadtime", "passwordSecret": {"name": "db"}},
    "image": {"pullSecrets": [{"name": "pull"}]},
    "daemon": {"replicas": 2, "nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]},
    "agents": {"tokenSecret": {"name": "leadtime-agent"}, "caSecret": {"name": "agents-tls"}},
    "auth": {"tokenSecret": {"name": "token"}},
    "router": {"enabled": True},
    "externalScaler": {"enabled": True},
    "networkPolicy": {
        "router": [{"namespaceSelector": {}}],
        "egress": [{"ports": [{"port": 8080}]}],
        "engines": {"enabled": True, "from": [{"podSelector": {"matchLabels": {"app": "web"}}}]},
    },
    "serviceMonitor": {"enabled": True, "engines": True, "labels": {"release": "prometheus"}},
}
"""Everything on."""


def documents(values: dict[str, Any], **where: str) -> list[dict[str, Any]]:
    """Every object of a release."""
    return list(render.documents(values, **where))


def find(made: list[dict[str, Any]], kind: str, name: str = "") -> list[dict[str, Any]]:
    """Objects of a kind, of which the name ends so."""
    return [each for each in made if each["kind"] == kind and each["metadata"]["name"].endswith(name)]


def pods(made: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Pod templates by component."""
    templates = [each["spec"]["template"] for each in find(made, "Deployment")]
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in templates}
