"""The CustomResourceDefinition of ``scalingpolicies``, from the same models as everything else.

``python -m app.manifests.crd`` writes it where the chart and the plain manifests have it. What crosses fields is said
again here in CEL, because the API server must refuse it before anybody reads it; a test holds rules and models equal.
One thing it cannot know: time zones. A policy with an unknown one is taken and then not accepted, by a condition.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.manifests.resource import UNSCALABLE, Spec, Status
from app.manifests.structural import Schema, structural
from app.manifests.yamlout import document
from runtime.kubernetes.names import POLICY_GROUP, POLICY_KIND, POLICY_PLURAL, POLICY_VERSION

NAME = f"{POLICY_PLURAL}.{POLICY_GROUP}"
DEPLOY = Path(__file__).parents[2] / "deploy"
PLACES = (DEPLOY / "crds" / f"{NAME}.yaml", DEPLOY / "chart" / "leadtime" / "crds" / f"{NAME}.yaml")

MOST_ITEMS = 256
"""Items of a list that the model does not bound; the API server asks for a bound where rules look at items."""

SAME = "t.name == self.targetRef.name && t.kind == self.targetRef.kind && t.apiVersion == self.targetRef.apiVersion"
TARGET_RULE = (
    f"!(self.kind in {list(UNSCALABLE)})",
    f"{', '.join(UNSCALABLE)} have no scale subresource; give a Deployment or the like",
    ".kind",
)
RULES = (
    ("", f"!self.moreTargetRefs.exists(t, {SAME})", "a workload is named twice; name each once", ".moreTargetRefs"),
    ("targetRef", *TARGET_RULE),
    ("moreTargetRefs.items", *TARGET_RULE),
    (
        "policy",
        "!has(self.paused_until_s) || self.mode == 'paused'",
        "paused_until_s is set but mode is not paused; set mode: paused or remove it",
        ".paused_until_s",
    ),
    (
        "policy",
        "self.schedule.all(shift, shift.min <= self.replicas.max)",
        "min of a shift is greater than replicas.max",
        ".schedule",
    ),
    ("policy.replicas", "self.min <= self.max", "min is greater than max", ".min"),
    ("policy.standby", "self.min <= self.max", "min is greater than max", ".min"),
    (
        "policy.reactive",
        "self.scale_in_below <= self.scale_out_above",
        "scale_in_below is greater than scale_out_above",
        ".scale_in_below",
    ),
)
"""Where in the spec, what must hold, what is said, and of which field."""

COLUMNS = (
    ("Target", "string", ".spec.targetRef.name", 0, "Workload of the first pool."),
    ("Mode", "string", ".spec.policy.mode", 0, "off, shadow, auto or paused."),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0, "Whether it is followed."),
    ("Active", "integer", ".status.current.active", 0, "Replicas in rotation."),
    ("Desired", "integer", ".status.desired.active", 0, "Replicas that should be."),
    ("Standby", "integer", ".status.current.standby", 0, "Replicas loaded and out of rotation."),
    ("Asleep", "integer", ".status.current.asleep", 0, "Replicas asleep."),
    ("Decided", "date", ".status.lastDecision.at", 0, "Time since the last decision."),
    ("Min", "integer", ".spec.policy.replicas.min", 1, "Lower bound."),
    ("Max", "integer", ".spec.policy.replicas.max", 1, "Upper bound."),
    ("Version", "integer", ".status.policyVersion", 1, "Version of the policy in the ledger."),
    ("Age", "date", ".metadata.creationTimestamp", 1, "Time since it was made."),
    ("Why", "string", ".status.lastDecision.sentence", 1, "The last decision's sentence."),
)
"""Name, type, path, priority (1: only with -o wide), words."""


def crd() -> dict[str, Any]:
    """The whole document."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": POLICY_GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": POLICY_PLURAL,
                "singular": POLICY_KIND.lower(),
                "kind": POLICY_KIND,
                "listKind": f"{POLICY_KIND}List",
                "shortNames": ["ltsp"],
            },
            "versions": [
                {
                    "name": POLICY_VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(columns()),
                    "schema": {"openAPIV3Schema": schema()},
                }
            ],
        },
    }


def schema() -> Schema:
    """The structural schema of a resource, rules included."""
    spec = structural(Spec, MOST_ITEMS)
    for place, rule, message, field in RULES:
        node = at(spec, place)
        said = {"rule": rule, "message": message, "reason": "FieldValueInvalid", "fieldPath": field}
        node.setdefault("x-kubernetes-validations", []).append(said)
    return {
        "type": "object",
        "description": "How one service of LLM replicas is scaled.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": structural(Status, MOST_ITEMS),
        },
    }


def at(schema: Schema, place: str) -> Schema:
    """The node at a dotted place; ``items`` steps into a list."""
    node = schema
    for step in filter(None, place.split(".")):
        node = node["items"] if step == "items" else node["properties"][step]
    return node


def columns() -> Iterator[dict[str, Any]]:
    """What ``kubectl get`` shows."""
    for name, kind, path, priority, words in COLUMNS:
        yield {"name": name, "type": kind, "jsonPath": path, "priority": priority, "description": words}


def text() -> str:
    """The file."""
    return "# Generated by: python -m app.manifests.crd\n" + document(crd())


def main() -> None:
    """Write the file."""
    for place in PLACES:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
