"""schemathesis over the OpenAPI document, asked by nobody and by each role: no 5xx, no right exceeded, no secret told.

What takes a process of its own (``impact``) is left to its own tests. Few examples a route: all of it ends within a
minute, and what they find is deterministic.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings

from app.access.principal import Role
from app.access.rights import right_of
from app.access.tokens import TokenStore, Wish
from collectors.store import open_store
from tests.app.access.conftest import guarded
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import World

EXAMPLES = 3
SLOW = ("/impact", "/cost/savings", "/reports")
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> tuple[FastAPI, dict[Role | None, str | None]]:
    """An application that has ticked, and a token for each role; None for nobody's."""
    folder: Path = tmp_path_factory.mktemp("contract")
    tokens = TokenStore(open_store(f"sqlite:///{folder / 'tokens.db'}"))

    async def ticked() -> FastAPI:
        daemon = await World(folder).start()
        await ticks(daemon, 2)
        return guarded(daemon, tokens)

    texts: dict[Role | None, str | None] = {None: None}
    for role in Role:
        texts[role] = tokens.make(Wish(role.value, role, None, 3600.0), "tests", "tests", time.time())[1]
    return asyncio.run(ticked()), texts


@pytest.mark.parametrize("role", [None, *Role], ids=lambda role: role.value if role else "nobody")
def test_no_route_gives_more_than_the_role(
    app: tuple[FastAPI, dict[Role | None, str | None]], role: Role | None
) -> None:
    application, texts = app
    headers = {"Authorization": f"Bearer {texts[role]}"} if role else {}
    secrets = [text.rpartition("_")[2] for text in texts.values() if text]
    for found in schemathesis.openapi.from_asgi("/openapi.json", application).get_all_operations():
        operation = found.ok()
        if any(part in operation.path for part in SLOW):
            continue

        @given(operation.as_strategy())
        @BOUNDED
        def holds(case: schemathesis.Case) -> None:
            answer = case.call(headers={**(case.headers or {}), **headers}, timeout=120)
            needed, _ = right_of(case.method.upper(), case.path)
            assert answer.status_code < 500, (case.method, case.path, answer.text)
            assert not [secret for secret in secrets if secret in answer.text]
            if needed.role is not None:
                allowed = role is not None and role.covers(needed.role)
                assert allowed or answer.status_code in (400, 401, 403), (case.method, case.path, answer.status_code)
                assert not allowed or answer.status_code not in (401, 403), (case.method, case.path, answer.text)

        holds()
