"""Signing in: the token is asked for, kept in the session alone, and passed on; the API decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.cli.console import console, refuse_shared
from app.console import session, signin
from app.console.client import Api
from app.errors import UserError
from tests.app.console.conftest import MAIN
from tests.app.console.fake_api import World

ME = {"name": "ada", "role": "operator", "services": None, "by": "token 1"}


def test_the_token_is_shown_in_a_header_and_nowhere_else() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=ME)

    me = Api("http://api", token="s3cret", transport=httpx.MockTransport(answer)).me()
    assert me is not None and (me.name, me.role) == ("ada", "operator")
    assert asked[0].headers["authorization"] == "Bearer s3cret" and "s3cret" not in str(asked[0].url)


@pytest.fixture
def closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that lets in one token."""

    def me(api: Api) -> object:
        if api._http.headers.get("authorization") == "Bearer right":
            return signin.Me.model_validate(ME)
        raise signin.ApiRefused(401, "who asks?")

    monkeypatch.setattr(Api, "me", me)


def test_nothing_is_shown_before_somebody_signs_in(closed: None) -> None:
    at = AppTest.from_file(str(MAIN), default_timeout=30).run()
    assert not at.metric and not at.exception
    assert "This fleet asks who looks" in at.info[0].value and at.text_input(key="sign-in-token").value == ""


def test_a_right_token_opens_the_pages_and_says_who(closed: None) -> None:
    at = AppTest.from_file(str(MAIN), default_timeout=30).run()
    at.text_input(key="sign-in-token").input("right")
    at.button[0].click().run()
    assert at.metric and not at.exception
    assert "right" not in str(at.query_params) and any("**ada**, operator" in each.value for each in at.markdown)


def test_a_wrong_token_is_told_and_can_be_given_again(closed: None) -> None:
    at = AppTest.from_file(str(MAIN), default_timeout=30).run()
    at.text_input(key="sign-in-token").input("wrong")
    at.button[0].click().run()
    assert not at.metric and at.error[0].value == "who asks?"


@pytest.mark.parametrize(("by", "token", "opens"), [("loopback", None, False), ("token 1", "own", False)])
def test_a_console_that_others_reach_acts_for_nobody_in_particular(
    world: World, monkeypatch: pytest.MonkeyPatch, by: str, token: str | None, opens: bool
) -> None:
    monkeypatch.setattr(signin, "on_loopback", lambda: False)
    monkeypatch.setattr(Api, "me", lambda api: signin.Me.model_validate(ME | {"by": by}))
    if token:
        monkeypatch.setenv("LEADTIME_TOKEN", token)
    at = AppTest.from_file(str(MAIN), default_timeout=30).run()
    assert bool(at.metric) is opens and "Others can reach this console" in at.error[0].value


def test_the_command_refuses_to_share_its_own_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADTIME_TOKEN", "own")
    refuse_shared("127.0.0.1")
    with pytest.raises(UserError, match="each signs in for themselves"):
        refuse_shared("0.0.0.0")


def test_a_page_opens_as_before_where_nobody_is_asked(open_page: Callable[..., AppTest]) -> None:
    at = open_page("fleet")
    assert at.metric and not at.exception


def test_what_the_identity_provider_gave_is_shown_to_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "provider", lambda: True)
    for tokens, expected in (({"id": "i"}, "i"), ({"id": "i", "access": "a"}, "a"), ({}, None)):
        monkeypatch.setattr(st, "user", SimpleNamespace(is_logged_in=True, tokens=tokens))
        assert session.from_provider() == expected
    monkeypatch.setattr(st, "user", SimpleNamespace(is_logged_in=False))
    assert session.from_provider() is None


def test_where_there_is_a_provider_its_sign_in_is_offered(closed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "provider", lambda: True)
    monkeypatch.setattr(session, "from_provider", lambda: None)
    at = AppTest.from_file(str(MAIN), default_timeout=30).run()
    assert not at.exception and at.button[0].label == "Sign in with your organisation"


def test_a_secrets_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--secrets .*: no such file"):
        console(secrets=tmp_path / "secrets.toml", port=18501)
