"""A pydantic model as a structural schema: what a CustomResourceDefinition takes of OpenAPI 3.0.

Pydantic writes JSON Schema 2020-12: references, ``anyOf`` with null, numbers for exclusive bounds. A structural schema
has none of these: every node says its type, ``null`` is an absent field, an exclusive bound is a flag beside the bound.
Promise: nothing is dropped in silence; a keyword that cannot be carried over is a ``ValueError`` that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

KEPT = (
    "type",
    "format",
    "description",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "required",
)
DROPPED = ("title", "additionalProperties")
"""``additionalProperties: false`` has no counterpart: the API server prunes what it does not know."""

EXTENSION = "x-kubernetes-"


def structural(model: type[BaseModel], most_items: int) -> Schema:
    """The model's schema without references; lists that have no bound get ``most_items``, so that rules stay cheap."""
    whole = model.model_json_schema(by_alias=True)
    return _node(whole, whole.get("$defs", {}), most_items)


def _node(node: Mapping[str, Any], defs: Mapping[str, Schema], most_items: int) -> Schema:
    given = _resolved(node, defs)
    made: Schema = {}
    for key, value in given.items():
        if key in KEPT or key.startswith(EXTENSION):
            made[key] = " ".join(value.split()) if key == "description" else value
        elif key in ("exclusiveMinimum", "exclusiveMaximum"):
            made |= {key.removeprefix("exclusive").lower(): value, key: True}
        elif key == "properties":
            made[key] = {name: _node(each, defs, most_items) for name, each in value.items()}
        elif key == "items":
            made[key] = _node(value, defs, most_items)
        elif key == "default":
            # Whole, and not ``{}`` for its fields to fill: the API server holds rules against the default as it stands.
            made |= {} if value is None else {key: _present(value)}
        elif key not in DROPPED:
            raise ValueError(f"{key} has no counterpart in a structural schema; remove it from the model")
    if made.get("type") == "array":
        made.setdefault("maxItems", most_items)
    return made


def _present(value: Any) -> Any:
    """Without what is None."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    return value


def _resolved(node: Mapping[str, Any], defs: Mapping[str, Schema]) -> Schema:
    """The node with its reference, or the one branch that is not null, merged in; its own words come last."""
    own = {key: value for key, value in node.items() if key not in ("$ref", "anyOf", "$defs")}
    if "$ref" in node:
        return _resolved(defs[node["$ref"].removeprefix("#/$defs/")], defs) | own
    if "anyOf" in node:
        branches = [branch for branch in node["anyOf"] if branch != {"type": "null"}]
        if len(branches) != 1:
            raise ValueError("anyOf of several types has no counterpart in a structural schema; give the field one")
        return _resolved(branches[0], defs) | own
    return own
