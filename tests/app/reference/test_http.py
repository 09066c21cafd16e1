"""The API's page has every route with its role, and every object, and its links lead somewhere."""

from __future__ import annotations

import pytest

from app.reference.http import document, kind, page
from tests.docs.pages import broken_anchors


@pytest.fixture(scope="module")
def told() -> str:
    return page()


def test_every_route_and_every_object(told: str) -> None:
    made = document()
    routes = [f"### {method.upper()} {path}\n" for path, methods in made["paths"].items() for method in methods]
    objects = [f"### {name}\n" for name in made["components"]["schemas"]]
    assert [heading for heading in [*routes, *objects] if heading not in told] == []


def test_roles_are_those_of_the_guard(told: str) -> None:
    assert "### GET /healthz\n\nThe process answers.\n\nRole: none needed." in told
    assert "Role: admin." in told.partition("### POST /api/v1/tokens\n")[2].partition("###")[0]


def test_links_lead_somewhere(told: str) -> None:
    assert broken_anchors(told) == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/Fleet"}, "[Fleet](#fleet)"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number or null"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "mapping of integer"),
        ({"enum": ["a", "b"], "type": "string"}, "`a` or `b`"),
    ],
)
def test_kinds_in_words(schema: dict[str, object], words: str) -> None:
    assert kind(schema) == words
