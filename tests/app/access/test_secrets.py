"""No secret comes out again: not in answers, not in logs, not in errors, whatever goes wrong."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from app.access.principal import Role
from app.access.tokens import TokenStore
from app.cli.main import app
from app.cli.up import BUILT_IN
from app.daemon import main as daemon_main
from app.daemon.loop import failed
from app.daemon.parts import Daemon
from app.daemon.wiring import wire
from app.errors import UserError
from app.settings import load
from tests.app.access.conftest import Asking, made

PATHS = ("freezes", "policies/chat", "services/chat/series", "tokens", "overrides/x/lift")
PASSWORD = "hunter2-correct-horse"
ADDRESS = f"http://ada:{PASSWORD}@prometheus:9090"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the daemon's log says."""
    out = io.StringIO()
    monkeypatch.setattr(daemon_main.sys, "stderr", out)
    daemon_main.log_to_stderr()
    yield out  # type: ignore[misc]
    structlog.reset_defaults()


async def everything_wrong(api: Any, token: str) -> str:
    """All that many a wrong request is answered, headers and bodies."""
    said = []
    wrong: list[dict[str, Any]] = [
        {"json": {"author": "a", "reason": token, "password": PASSWORD}},
        {"content": token.encode()},
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        {"params": {"token": token, "limit": token, "signals": token}},
    ]
    for path in PATHS + tuple(f"{path}/{token}" for path in ("policies", "services", "audit")):
        for method in ("GET", "PUT", "POST", "DELETE"):
            for options in wrong:
                answer = await api.request(method, f"/api/v1/{path}", **options)
                if token not in path and "reason" not in str(options):
                    said.append(f"{answer.headers} {answer.text}")
    return "\n".join(said)


async def test_what_was_shown_is_never_repeated(asking: Asking, tokens: TokenStore, logged: io.StringIO) -> None:
    token = made(tokens, Role.ADMIN)
    async with asking(token) as api:
        said = await everything_wrong(api, token)
    async with asking(f"{token}x") as api:
        said += await everything_wrong(api, token)
    secret = token.rpartition("_")[2]
    assert secret not in said + logged.getvalue() and PASSWORD not in said


async def test_a_password_in_an_address_is_in_no_log_and_no_answer(
    asking: Asking, tokens: TokenStore, daemon: Daemon, logged: io.StringIO
) -> None:
    failed(daemon, "tick failed", OSError(f"Client error '401' for url '{ADDRESS}/api/v1/query'"))
    structlog.get_logger().warning("asked", url=ADDRESS, header=f"Bearer {made(tokens, Role.ADMIN)}")
    assert "tick failed" in logged.getvalue() and PASSWORD not in logged.getvalue()
    assert "Bearer leadtime_" in logged.getvalue(), "which token it was can be told"
    daemon.memory.ticked_at_s = None
    async with asking(made(tokens, Role.VIEWER)) as api:
        for path in ("/readyz", "/api/v1/fleet", "/metrics", "/api/v1/services/chat"):
            assert PASSWORD not in (await api.get(path)).text


async def test_a_defect_tells_nothing_of_itself(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"cannot reach {ADDRESS}")

    daemon.policies.current = broken  # type: ignore[assignment, method-assign]
    async with asking(made(tokens, Role.VIEWER)) as api:
        answer = await api.get("/api/v1/policies/chat")
    assert answer.status_code == 500 and answer.text == "Internal Server Error"


@pytest.mark.parametrize("url", [f"postgresql+psycopg://ada:{PASSWORD}@127.0.0.1:1/db", f"nosuch://a:{PASSWORD}@h/d"])
def test_the_command_line_hides_the_stores_password(tmp_path: Path, url: str) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(f"store: {{url: '{url}'}}\n{BUILT_IN.read_text()}")
    for command in (["doctor", "--config", str(file)], ["token", "list", "--config", str(file)]):
        result = CliRunner().invoke(app, command)
        assert PASSWORD not in result.output + str(result.exception)
        assert result.exit_code != 0 and isinstance(result.exception, UserError | SystemExit)


def test_the_daemon_logs_no_requests(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(f"store: {{url: 'sqlite:///{tmp_path / 'store.db'}'}}\n{BUILT_IN.read_text()}")
    settings = load(file)
    daemon_main.server_of(settings, wire(settings))
    assert logging.getLogger("uvicorn.access").handlers == []
