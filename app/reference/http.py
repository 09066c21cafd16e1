"""The HTTP API's reference: every route with its parameters, body and answers, and every object they are made of.

Made from the OpenAPI document that the API itself serves, and from the table of rights that guards it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from app.access.rights import right_of
from app.api.backend import Backend
from app.api.main import create_app
from app.reference.markdown import NONE, anchor, code, prose, table

HEAD = """# HTTP API

Made from the code. A running daemon serves the same as `/openapi.json`, and as a page to try it on at `/docs`. Times
are UTC seconds. An error is JSON with `detail`, one line; 401 asks for a token (`Authorization: Bearer TOKEN`), 403
says that its role may not. Without `api.auth` in the fleet file everybody who reaches the API may do everything, and it
listens to loopback alone.

"""

Node = Mapping[str, Any]


def document() -> dict[str, Any]:
    """The OpenAPI document. It describes routes alone, so there is no backend behind them."""
    return create_app(cast(Backend, None)).openapi()


def page() -> str:
    """The whole page."""
    told = document()
    schemas = told.get("components", {}).get("schemas", {})
    parts = [*routes(told["paths"]), "## Objects\n", *(shape(name, schemas[name]) for name in sorted(schemas))]
    return HEAD + "\n".join(parts)


def routes(paths: Node) -> Iterator[str]:
    """Every route, by the subject that it is tagged with, in the order of the application."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append(route(method.upper(), path, operation))
    for tag, told in by_tag.items():
        yield f"## {tag.capitalize()}\n"
        yield from told


def route(method: str, path: str, operation: Node) -> str:
    """One route: what it does, who may, what it takes, what it answers."""
    right, _ = right_of(method, path)
    parts = [
        f"### {method} {path}\n",
        f"{prose(operation.get('description'))}\n",
        f"Role: {right.role or 'none needed'}.\n",
    ]
    if parameters := operation.get("parameters"):
        parts.append(table(["parameter", "in", "kind", "meaning"], map(parameter, parameters)))
    if body := operation.get("requestBody"):
        parts.append(f"Body: {content(body)}\n")
    answers = operation["responses"].items()
    parts.append(
        table(
            ["answer", "what", "body"], [(status, answer["description"], content(answer)) for status, answer in answers]
        )
    )
    return "\n".join(parts)


def parameter(told: Node) -> tuple[str, str, str, str]:
    """One parameter as a row."""
    needed = "required" if told.get("required") else f"default {code(str(told['schema'].get('default', 'none')))}"
    about = f"{told.get('description') or told['schema'].get('description', '')} ({needed})"
    return code(told["name"]), told["in"], kind(told["schema"]), about


def content(told: Node) -> str:
    """What a body is made of."""
    media = told.get("content", {})
    return "; ".join(kind(each.get("schema", {})) if "json" in name else name for name, each in media.items()) or NONE


def shape(name: str, schema: Node) -> str:
    """One object, as a table of its properties."""
    properties, needed = schema.get("properties", {}), schema.get("required", ())
    rows = [
        (code(key), kind(of), "yes" if key in needed else "no", of.get("description", ""))
        for key, of in properties.items()
    ]
    values = f"One of {', '.join(code(str(value)) for value in schema['enum'])}.\n" if "enum" in schema else ""
    told = table(["property", "kind", "required", "meaning"], rows) if rows else ""
    return f"### {name}\n\n{prose(schema.get('description'))}\n\n{values}{told}"


def kind(schema: Node) -> str:
    """A schema in a few words; an object that has a table is a link to it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if options := schema.get("anyOf") or schema.get("allOf") or schema.get("oneOf"):
        return " or ".join(kind(option) for option in options)
    if "enum" in schema or "const" in schema:
        return " or ".join(code(str(value)) for value in schema.get("enum", [schema.get("const")]))
    return composed(schema)


def composed(schema: Node) -> str:
    """Lists, mappings, and what is as simple as its type."""
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"mapping of {kind(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))
