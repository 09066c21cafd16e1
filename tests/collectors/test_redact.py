"""What looks like a credential is hidden, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.redact import redacted

TOKEN = f"leadtime_{'3f' * 6}_{'ab' * 32}"

SECRETS = {
    "for url 'http://ada:s3cr3t@prom:9090/api'": "for url 'http://ada:…@prom:9090/api'",
    "postgresql+psycopg://leadtime:p%40ss:w@rd@db/leadtime": "postgresql+psycopg://leadtime:…@db/leadtime",
    f"Authorization: Bearer {TOKEN}": f"Authorization: Bearer leadtime_{'3f' * 6}_…",
    "Bearer eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl": "Bearer …",
    "authorization: bearer abcdef0123456789": "authorization: bearer …",
    "connection failed: password=hunter2 user=ada": "connection failed: password=… user=ada",
    "GET /x?token=abc&from=1": "GET /x?token=…&from=1",
    "POST https://hooks.slack.com/services/T0/B0/XyZ failed": "POST https://hooks.slack.com/… failed",
}


@pytest.mark.parametrize("text", SECRETS)
def test_credentials_are_hidden(text: str) -> None:
    assert redacted(text) == SECRETS[text]


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8900/fleet: no answer",
        "give postgresql+psycopg://user@host/name",
        "mail ada@example.com: chat-8b",
        "give auth: {tokens: true} and make a token with leadtime token create",
        "who asks? give Authorization: Bearer TOKEN (leadtime token create makes one)",
        "Basic authentication is not taken",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert redacted(text) == text


@given(st.text(alphabet="abcdefghij0123456789!$%&*()_+-=~", min_size=6, max_size=30), st.text(max_size=20))
def test_no_password_of_an_address_survives(password: str, around: str) -> None:
    assert f":{password}@" not in redacted(f"{around} http://user:{password}@host/x {around}").replace(around, "")


@given(st.text(max_size=200))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)
