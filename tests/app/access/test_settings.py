"""An API beyond loopback without authentication does not load, and the line says what to set."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.access.guard import Access
from app.access.keeper import Keys, Open
from app.access.limits import Rate
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
    found = access_of(ApiSettings.model_validate(said), tokens)
    assert found == Access(Keys(tokens, (), Role.VIEWER), open_metrics=True, limits=found.limits)


def test_limits_are_those_of_the_file(tokens: TokenStore) -> None:
    said = {"limits": {"requests_per_s": 2, "burst": 3, "failures_per_min": 6}}
    limits = access_of(ApiSettings.model_validate(said), tokens).limits
    assert limits is not None
    assert (limits.requests.rate, limits.failures.rate) == (Rate(2.0, 3), Rate(0.1, 6))


JWT = {"issuer": "https://id", "audience": "leadtime", "jwks_url": "https://id/keys", "roles": {"sre": "operator"}}


def test_an_identity_provider_is_enough_to_be_let_in(tokens: TokenStore) -> None:
    settings = ApiSettings.model_validate({"auth": {"tokens": False, "jwt": JWT}})
    keeper = access_of(settings, tokens).keeper
    assert isinstance(keeper, Keys) and keeper.tokens is None and len(keeper.others) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"jwks_url": "http://id/keys"}, "is not https"),
        ({"jwks_url": "file:///etc/passwd"}, "is not https"),
        ({"roles": {}}, "at least 1"),
        ({"roles": {"sre": "root"}}, "'viewer', 'operator' or 'admin'"),
        ({"audience": ""}, "at least 1"),
    ],
)
def test_a_provider_that_could_let_strangers_in_is_a_mistake(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ApiSettings.model_validate({"auth": {"jwt": JWT | change}})


def test_without_the_extra_the_line_says_what_to_install(tokens: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.access.wiring.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'leadtime\[auth\]'"):
        access_of(ApiSettings.model_validate({"auth": {"jwt": JWT}}), tokens)


def test_with_a_certificate_it_is_spoken_to_by_https() -> None:
    files = {"cert_file": "a.crt", "key_file": "a.key"}
    assert (ApiSettings().scheme, ApiSettings.model_validate({"tls": files}).scheme) == ("http", "https")
