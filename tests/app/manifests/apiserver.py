"""What an API server does with a custom resource before it is stored, as far as our schemas use it.

Nulls are dropped where nothing allows them, unknown fields pruned, defaults filled in, then the schema is checked and,
only if nothing was wrong, the CEL rules. The recorded exchanges hold this small imitation to the real one, cause for
cause, so that what it says of our own schema is worth something. What it cannot check is the cost of a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cel_expr_python import cel

Schema = dict[str, Any]
Cause = tuple[str, str]
"""Reason and field, as in ``details.causes``."""

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
ENVIRONMENT = cel.NewEnv(variables={"self": cel.Type.DYN})
NOT_CHECKED = ("FieldValueInvalid", "<nil>")


def admit(schema: Schema, given: dict[str, Any]) -> tuple[dict[str, Any], list[Cause]]:
    """The object as it would be stored, and the causes for which it is refused."""
    stored = defaulted(schema, pruned(schema, given))
    causes = list(problems(schema, stored, ""))
    if causes:
        return stored, [*causes, NOT_CHECKED] if any(rules(schema, stored, "")) else causes
    broken = (
        ("FieldValueInvalid", f"{path}{rule['fieldPath']}".lstrip("."))
        for path, rule, value in rules(schema, stored, "")
        if not ENVIRONMENT.compile(rule["rule"]).eval(data={"self": value}).value()
    )
    return stored, list(broken)


def pruned(schema: Schema, value: Any) -> Any:
    """Without nulls and unknown fields; metadata is not the schema's business."""
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return {key: pruned(known[key], item) for key, item in value.items() if key in known and item is not None}
    if isinstance(value, list) and "items" in schema:
        return [pruned(schema["items"], item) for item in value]
    return value


def defaulted(schema: Schema, value: Any) -> Any:
    """With the defaults of what is absent, and theirs."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        filled = {key: node["default"] for key, node in known.items() if "default" in node and key not in value}
        return {key: defaulted(known.get(key, {}), item) for key, item in (value | filled).items()}
    if isinstance(value, list):
        return [defaulted(schema.get("items", {}), item) for item in value]
    return value


def problems(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    """What the schema says against a value."""
    kinds = TYPES[schema["type"]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield "FieldValueTypeInvalid", path
        return
    if isinstance(value, dict):
        yield from (("FieldValueRequired", join(path, key)) for key in schema.get("required", ()) if key not in value)
        for key, node in schema.get("properties", {}).items():
            if key in value:
                yield from problems(node, value[key], join(path, key))
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield "FieldValueInvalid", path
        for index, item in enumerate(value):
            yield from problems(schema["items"], item, f"{path}[{index}]")
    else:
        yield from scalar(schema, value, path)


def scalar(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    """As ``problems``, for what is neither a mapping nor a list."""
    if "enum" in schema and value not in schema["enum"]:
        yield "FieldValueNotSupported", path
    if isinstance(value, str):
        if not fits(schema.get("format"), value):
            yield "FieldValueTypeInvalid", path
        long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        if not long_enough or not re.search(schema.get("pattern", ""), value):
            yield "FieldValueInvalid", path
        return
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    at_bound = (schema.get("exclusiveMinimum") and value == low) or (schema.get("exclusiveMaximum") and value == high)
    if not low <= value <= high or at_bound:
        yield "FieldValueInvalid", path


def fits(form: str | None, value: str) -> bool:
    """Whether a string has its format."""
    if form == "duration":
        return bool(re.fullmatch(r"([0-9.]+(ns|us|ms|s|m|h))+", value))
    if form == "date-time":
        try:
            return datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            return False
    return True


def rules(schema: Schema, value: Any, path: str) -> Iterator[tuple[str, dict[str, str], Any]]:
    """Every CEL rule with the place and the value that it looks at."""
    yield from ((path, rule, value) for rule in schema.get("x-kubernetes-validations", ()))
    if isinstance(value, dict):
        for key, node in schema.get("properties", {}).items():
            if key in value:
                yield from rules(node, value[key], join(path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from rules(schema.get("items", {}), item, f"{path}[{index}]")


def join(path: str, key: str) -> str:
    """A field of what is at a path."""
    return f"{path}.{key}".lstrip(".")


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every node of a schema with its place."""
    yield path, schema
    for key, node in schema.get("properties", {}).items():
        yield from nodes(node, join(path, key))
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def undefined(node: Schema) -> list[str]:
    """Fields of ``self`` that a node's rules speak of and that it does not have: such a rule does not compile."""
    found = []
    for rule in node.get("x-kubernetes-validations", ()):
        for path in re.findall(r"\bself((?:\.\w+(?!\w*\())+)", rule["rule"]):
            here = node
            for step in path.strip(".").split("."):
                if step not in here.get("properties", {}):
                    found.append(step)
                    break
                here = here["properties"][step]
    return found
