"""Which history is played for which service, and how what is missing is told."""

from __future__ import annotations

import pytest

from app.cli.history import History, history, models, tell
from app.errors import UserError
from autoscaler.backtest.recorded import Hole

SERVICES = ("chat", "code", "summarize")


@pytest.mark.parametrize(
    ("named", "served"),
    [
        (None, {"chat": "chat"}),
        ("llama", {"chat": "llama"}),
        ("code", {"code": "code"}),
        ("llama, qwen", {"chat": "llama", "code": "qwen"}),
        ("code,chat", {"code": "code", "chat": "chat"}),
    ],
)
def test_a_service_has_the_model_of_its_name_or_of_its_place(named: str | None, served: dict[str, str]) -> None:
    assert models(named, SERVICES) == served


@pytest.mark.parametrize("named", ["", "a,b,c,d", "code,code", "code,b"])
def test_models_that_belong_to_nobody_are_refused(named: str) -> None:
    with pytest.raises(UserError, match="--model"):
        models(named, SERVICES)


@pytest.mark.parametrize("begin", ["2026-01-05", "2026-01-05T00:00Z", "2026-01-05T01:00+01:00", "1767571200"])
def test_times_are_utc_unless_they_say_otherwise(begin: str) -> None:
    assert history("http://h:9090", begin, "1767571500.5", 60) == History("http://h:9090", 1767571200, 1767571500.5, 60)


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        (None, "9", "--from is missing"),
        ("9", None, "--to is missing"),
        ("9", "9", "--from 9: not before --to 9"),
        ("-1", "9", "--from -1: not a time"),
        ("0", "inf", "--to inf: not a time"),
        ("nan", "9", "--from nan: not a time"),
        ("0", "1767571200000", "--to 1767571200000: not a time"),
    ],
)
def test_a_span_that_is_none_is_refused(begin: str | None, end: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        history("http://h:9090", begin, end, 60)


def test_gaps_are_counted_and_the_first_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    holes = [Hole(86400.0 * day, 86400.0 * day + 120) for day in range(5)]
    gaps = History("u", 0.0, 1.0, 60).gaps("chat", holes)
    assert gaps[1] == {"service": "chat", "from_s": 86400.0, "to_s": 86520.0, "steps": 2}
    tell("chat", gaps, ["[b]a note[/b]"])
    note, told = capsys.readouterr().err.splitlines()
    assert note == "chat: [b]a note[/b]"
    assert told.startswith("chat: 10 steps without data") and "1970-01-02 00:00:00 to 1970-01-02 00:02:00" in told
    assert "and 2 more" in told and "1970-01-04" not in told


def test_nothing_missing_is_nothing_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell("chat", [], [])
    assert capsys.readouterr().err == ""
