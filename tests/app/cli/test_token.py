"""``leadtime token``: on the store where the first one is made, and through the API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.access.principal import Role
from app.access.tokens import TokenStore
from app.cli.main import app
from app.cli.up import BUILT_IN
from app.errors import UserError
from collectors.store import open_store

BY = ["--author", "ada", "--reason", "tests"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A fleet file with a store of its own."""
    file = tmp_path / "fleet.yaml"
    file.write_text(f"store: {{url: 'sqlite:///{tmp_path / 'store.db'}'}}\n{BUILT_IN.read_text()}")
    return file


def run(config: Path, *arguments: str) -> str:
    return CliRunner().invoke(app, ["token", *arguments, "--config", str(config)], catch_exceptions=False).stdout


def test_a_token_is_printed_alone_and_lets_its_holder_in(config: Path, tmp_path: Path) -> None:
    text = run(config, "create", "ci", "--role", "operator", "--service", "chat", "--expires", "2h", *BY).strip()
    found = TokenStore(open_store(f"sqlite:///{tmp_path / 'store.db'}")).principal(text, 0.0)
    assert (found.name, found.role, found.services) == ("ci", Role.OPERATOR, {"chat"})


def test_tokens_are_listed_without_secrets_and_revoked(config: Path) -> None:
    made = json.loads(run(config, "create", "ci", "--role", "viewer", "--expires", "never", "--json", *BY))
    assert made["expires_at_s"] is None
    listed = run(config, "list")
    assert made["id"] in listed and made["token"] not in listed and "never" in listed
    assert "is revoked" in run(config, "revoke", made["id"], *BY)
    assert json.loads(run(config, "list", "--json"))[0]["state"] == "revoked"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "ci", "--role", "viewer", "--expires", "soon", *BY], "--expires soon: not a duration"),
        (["create", "ci", "--role", "viewer", "--author", "ada", "--reason", "x"], "three characters"),
        (["revoke", "abc", *BY], "there is no token abc; leadtime token list shows them"),
    ],
)
def test_a_mistake_is_one_line(config: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(config, *arguments)
