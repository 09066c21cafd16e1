"""A worker answers one question, or says in one line why not."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace

import pytest

from autoscaler.worker import main, tell


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """``question`` waits on standard input; the tests' own process keeps its priority."""
    monkeypatch.setattr(os, "nice", lambda more: more)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"question")))


def test_an_answer_goes_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    main(bytes.upper)
    assert capsysbinary.readouterr() == (b"QUESTION", b"")


def test_what_cannot_be_answered_is_one_line_and_a_failure(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    def refuse(given: bytes) -> bytes:
        raise ValueError(f"{given.decode()}: give a date")

    with pytest.raises(SystemExit, match="question: give a date"):
        main(refuse)
    assert capsysbinary.readouterr().out == b""


def test_progress_is_told_aside(capsys: pytest.CaptureFixture[str]) -> None:
    tell(0.25)
    assert capsys.readouterr() == ("", "progress 0.2500\n")
