"""Every route needs a role that somebody wrote down, and nothing is written down that is no route."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.principal import Role
from app.access.rights import ADMIN, RIGHTS, Reach, right_of
from tests.app.api.conftest import app_of
from tests.app.fakes import World

OURS = ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc")


async def test_every_route_has_a_role_and_every_role_a_route(world: World) -> None:
    document = app_of(await world.start()).openapi()
    routes = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    declared = {(right.method, right.path) for right in RIGHTS if right.path not in OURS}
    assert routes - declared == set(), "give each of these a role in app/access/rights.py"
    assert declared - routes == set(), "these are no routes"
    assert len(RIGHTS) == len(declared) + len(OURS)


def test_what_changes_something_needs_an_operator_at_least() -> None:
    harmless = {
        "/api/v1/cost/savings",
        "/api/v1/policies/{service}/check",
        "/api/v1/policies/{service}/impact",
        "/api/v1/services/{service}/plan",
        "/api/v1/services/{service}/wake",
    }
    for right in RIGHTS:
        if right.method != "GET" and right.path not in harmless:
            assert right.role in (Role.OPERATOR, Role.ADMIN), right


def test_tokens_are_for_admins_of_the_whole_fleet() -> None:
    found = [right for right in RIGHTS if "/tokens" in right.path]
    assert len(found) == len(ADMIN.split("\n")) - 2
    assert all(right.role is Role.ADMIN and right.reach is Reach.FLEET for right in found)


@given(st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "TRACE", "X"]), st.text(max_size=40))
def test_what_is_not_declared_is_for_admins(method: str, path: str) -> None:
    right, service = right_of(method, f"/api/v1/undeclared/{path}")
    assert right.role is Role.ADMIN and right.reach is Reach.FLEET and service is None


@pytest.mark.parametrize("path", ["/api/v1//policies/chat", "/api/v1/policies/chat/", "/API/v1/fleet", "/api/v1/../me"])
def test_a_path_that_is_written_otherwise_opens_nothing(path: str) -> None:
    assert right_of("PUT", path)[0].role is Role.ADMIN


def test_the_service_is_what_the_route_will_see() -> None:
    assert right_of("PUT", "/api/v1/policies/chat")[1] == "chat"
    assert right_of("HEAD", "/api/v1/services/a b")[1] == "a b"
    assert right_of("PUT", "/api/v1/policies/chat/other")[1] is None


async def test_every_author_in_a_request_is_whoever_was_let_in(world: World) -> None:
    document = app_of(await world.start()).openapi()
    bodies = [item.get("requestBody") for path in document["paths"].values() for item in path.values()]
    names = {body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] for body in bodies if body}
    for name in names:
        fields = document["components"]["schemas"][name]["properties"]
        for field in {"author", "reason"} & fields.keys():
            assert "pattern" in fields[field], f"{name}.{field}: use Author and Reason of app.api.schemas.schema"
