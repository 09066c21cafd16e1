"""An API beyond loopback without authentication does not load, and the line says what to set."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.access.guard import Access
from app.access.keeper import Keys, Open
from app.access.principal import Role
from app.access.settings import ApiSettings
from app.access.tokens import TokenStore
from app.access.wiring import access_of
from app.cli.up import BUILT_IN
from app.errors import UserError
from app.settings import load


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "leadtime.example.com"])
def test_beyond_loopback_somebody_must_be_asked(tmp_path: Path, host: str) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(f"api: {{host: '{host}'}}\n{BUILT_IN.read_text()}")
    with pytest.raises(UserError, match=r"fleet.yaml:1: api: .* auth is missing; give auth: \{tokens: true\}"):
        load(file)
    assert ApiSettings.model_validate({"host": host, "auth": {}}).auth is not None


def test_a_door_through_which_nobody_comes_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="nobody could be let in"):
        ApiSettings.model_validate({"auth": {"tokens": False}})


def test_a_loopback_api_is_open_and_answers_to_loopback_names(tokens: TokenStore) -> None:
    assert access_of(ApiSettings(), tokens).keeper.__class__ is Open
    assert access_of(ApiSettings(), tokens).hosts == {"127.0.0.1", "::1", "localhost"}


def test_what_is_said_of_access_is_how_the_door_is_kept(tokens: TokenStore) -> None:
    said = {"auth": {"anonymous": "viewer", "open_metrics": True}}
    expected = Access(Keys(tokens, (), Role.VIEWER), open_metrics=True)
    assert access_of(ApiSettings.model_validate(said), tokens) == expected
