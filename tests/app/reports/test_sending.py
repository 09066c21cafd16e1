"""Sending: what goes out, what is refused, and that no failure tells a secret."""

from __future__ import annotations

import json
import smtplib
from email.message import EmailMessage
from typing import ClassVar

import httpx
import pytest

from app.costsettings import EmailSettings, WebhookSettings
from app.reports.sending import NotSent, post, send_mail

HOOK = WebhookSettings(url_env="TEST_HOOK")
URL = "https://hooks.example.com/services/SECRET"
MAIL = EmailSettings(to=["a@example.com"], sender="b@example.com", host="mail.example.com")


def outside(host: str, port: int) -> list[str]:
    return ["93.184.216.34"]


def test_a_message_is_posted_to_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOOK", URL)
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text="ok")

    post(HOOK, {"text": "hello"}, httpx.MockTransport(answer), outside)
    assert str(seen[0].url) == "https://93.184.216.34/services/SECRET"
    assert (seen[0].headers["host"], json.loads(seen[0].content)) == ("hooks.example.com", {"text": "hello"})
    assert seen[0].extensions["sni_hostname"] == "hooks.example.com"


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_redirects_are_not_followed_and_errors_are_told_without_the_path(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_HOOK", URL)
    away = httpx.MockTransport(lambda request: httpx.Response(status, headers={"Location": "http://169.254.169.254/"}))
    with pytest.raises(NotSent) as told:
        post(HOOK, {}, away, outside)
    assert str(told.value) == f"webhook hooks.example.com: answered {status}"


def test_what_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOOK", URL)

    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout(f"while asking {request.url}")

    with pytest.raises(NotSent, match=r"webhook hooks\.example\.com: ConnectTimeout$"):
        post(HOOK, {}, httpx.MockTransport(gone), outside)


def test_an_address_that_is_not_set_or_inside_is_not_posted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_HOOK", raising=False)
    with pytest.raises(NotSent, match="TEST_HOOK is not set"):
        post(HOOK, {})
    monkeypatch.setenv("TEST_HOOK", URL)
    with pytest.raises(NotSent, match="within a private network"):
        post(HOOK, {}, resolve=lambda host, port: ["10.0.0.1"])


class FakeServer:
    """A mail server that keeps what it is given."""

    kept: ClassVar[list[str]] = []

    def __init__(self, host: str, port: int, **options: object) -> None:
        FakeServer.kept.append(f"connect {host}:{port}")

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *gone: object) -> None:
        pass

    def starttls(self, context: object) -> None:
        FakeServer.kept.append("starttls")

    def login(self, user: str, password: str) -> None:
        FakeServer.kept.append(f"login {user}")

    def send_message(self, message: EmailMessage) -> None:
        FakeServer.kept.append(f"send {message['Subject']}")


def test_a_mail_goes_out_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtplib, "SMTP", FakeServer)
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    FakeServer.kept = []
    message = EmailMessage()
    message["Subject"] = "cost"
    send_mail(MAIL.model_copy(update={"user": "b", "password_env": "MAIL_PASSWORD"}), message)
    assert FakeServer.kept == ["connect mail.example.com:587", "starttls", "login b", "send cost"]


def test_without_encryption_only_loopback_and_no_password() -> None:
    with pytest.raises(NotSent, match="without encryption only loopback"):
        send_mail(MAIL.model_copy(update={"security": "none"}), EmailMessage())
    with pytest.raises(NotSent, match="PASS is not set"):
        send_mail(MAIL.model_copy(update={"user": "b", "password_env": "PASS"}), EmailMessage())


def test_a_server_that_is_not_there_is_told() -> None:
    nowhere = MAIL.model_copy(update={"host": "127.0.0.1", "port": 1, "security": "none"})
    with pytest.raises(NotSent, match=r"mail 127\.0\.0\.1: ConnectionRefusedError"):
        send_mail(nowhere, EmailMessage())
