"""The credential comes from the environment, or from a file that is read anew each time."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.credential import credential, signed
from app.errors import UserError


def test_without_one_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADTIME_TOKEN", raising=False)
    monkeypatch.delenv("LEADTIME_TOKEN_FILE", raising=False)
    assert credential() is None
    assert "authorization" not in signed(httpx.Request("GET", "http://api")).headers


def test_it_goes_into_one_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADTIME_TOKEN", " s3cret ")
    request = signed(httpx.Request("GET", "http://api/x"))
    assert request.headers["authorization"] == "Bearer s3cret" and "s3cret" not in str(request.url)


def test_a_file_that_is_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEADTIME_TOKEN", raising=False)
    file = tmp_path / "token"
    monkeypatch.setenv("LEADTIME_TOKEN_FILE", str(file))
    for text in ("first\n", "second\n"):
        file.write_text(text)
        assert credential() == text.strip()


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_file_without_a_token_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.delenv("LEADTIME_TOKEN", raising=False)
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("LEADTIME_TOKEN_FILE", str(file))
    with pytest.raises(UserError, match=r"LEADTIME_TOKEN_FILE: .*; give a file"):
        credential()
