"""Pydantic's errors in a person's words: where the value stands, what is wrong and what would be right.

Pure: works on error details and the JSON Schema of the model. The command line puts file and line before what
is said here, the API returns it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[str | int, ...]

UNITS = {
    "_ms": "milliseconds",
    "_usd": "US dollars",
    "_tokens": "tokens",
    "_blocks": "blocks",
    "_seqs": "sequences",
    "_s": "seconds",
}
LIMITS = {
    "greater_than": ("gt", "is too small; give more than"),
    "greater_than_equal": ("ge", "is too small; give at least"),
    "less_than": ("lt", "is too large; give less than"),
    "less_than_equal": ("le", "is too large; give at most"),
}


def error_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One ``key: what is wrong; what would be right`` per error, in the order of the document."""
    schema = model.model_json_schema()
    return [f"{dotted(place(detail))}: {explain(detail, schema)}" for detail in error.errors()]


def place(detail: ErrorDetails) -> Location:
    """Where the error is, without pydantic's own markers."""
    return tuple(part for part in detail["loc"] if part != "[key]")


def dotted(location: Location) -> str:
    """``("services", 0, "name")`` as ``services[0].name``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "document"


def explain(detail: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """What is wrong and what would be right, for one error."""
    kind, given = detail["type"], shown(detail["input"])
    location = place(detail)
    name = str(location[-1]) if location else ""
    if kind == "extra_forbidden":
        return unknown_key(name, known_keys(schema, location[:-1]))
    if kind == "missing":
        return f"is missing; give {wanted(schema, location)}"
    if kind.startswith("int_"):
        return f"{given} is not an integer; give a whole number{of_unit(name)}"
    if kind.startswith("float_") or kind == "finite_number":
        return f"{given} is not a number; give a plain number{of_unit(name)}"
    if kind in LIMITS:
        bound, words = LIMITS[kind]
        return f"{given} {words} {detail['ctx'][bound]:g}{unit_suffix(name)}"
    return other(detail, given)


def other(detail: ErrorDetails, given: str) -> str:
    """The errors that say enough by themselves once they name the value."""
    kind = detail["type"]
    if kind in ("literal_error", "enum"):
        return f"{given} is not known; give {detail['ctx']['expected']}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{given} is not a mapping; give keys and values below it"
    if kind in ("list_type", "tuple_type"):
        return f"{given} is not a list; give items that start with '- '"
    if kind == "string_type":
        return f"{given} is not text; put it in quotes"
    if kind == "string_pattern_mismatch":
        return f"{given} is not allowed; give text that matches {detail['ctx']['pattern']}"
    return detail["msg"].removeprefix("Value error, ")


def unknown_key(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known key, or list them all where none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        unit = unit_of(near[0])
        return f"unknown key; did you mean {near[0]}{f' (in {unit})' if unit else ''}?"
    return f"unknown key; known here: {', '.join(names) or 'none'}"


def known_keys(schema: Mapping[str, Any], location: Location) -> tuple[str, ...]:
    """The keys a mapping at that place may have."""
    return tuple(node_at(schema, location).get("properties", {}))


def wanted(schema: Mapping[str, Any], location: Location) -> str:
    """A few words on what belongs at that place: the field's description or, without one, its type."""
    node = node_at(schema, location)
    text = str(node.get("description", node.get("type", "a value")))
    return text.splitlines()[0].rstrip(".")


def node_at(schema: Mapping[str, Any], location: Location) -> Mapping[str, Any]:
    """The part of a JSON Schema that describes a place in the document; empty where there is none."""
    node = resolved(schema, schema)
    for part in location:
        if isinstance(part, int):
            child = node.get("items", {})
        else:
            child = node.get("properties", {}).get(part, node.get("additionalProperties", {}))
        node = resolved(schema, child if isinstance(child, Mapping) else {})
    return node


def resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow ``$ref``; a description beside it wins over the target's."""
    if "$ref" not in node:
        return node
    target = schema.get("$defs", {}).get(node["$ref"].rsplit("/", 1)[-1], {})
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def unit_of(name: str) -> str:
    """The unit a field's name ends in; empty where it has none."""
    if name.startswith("gpus"):
        return "GPUs"
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")


def of_unit(name: str) -> str:
    """``" of seconds"`` and the like."""
    unit = unit_of(name)
    return f" of {unit}" if unit else ""


def unit_suffix(name: str) -> str:
    """``" seconds"`` and the like."""
    unit = unit_of(name)
    return f" {unit}" if unit else ""


def shown(value: object) -> str:
    """The value as it was given, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
