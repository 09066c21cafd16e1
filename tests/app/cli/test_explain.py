"""Why a service has the replicas it has, from the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from app.cli.explain import moment
from app.cli.main import app
from app.errors import UserError
from tests.app.console.fake_api import World as FleetWorld
from tests.app.console.fake_api import rack
from tests.app.fakes import INTERVAL_S, START_S


def test_the_latest_decision_is_a_sentence_and_its_numbers(api: str) -> None:
    text = CliRunner().invoke(app, ["explain", "chat", "--api", api]).stdout
    assert "demand may reach" in text.splitlines()[0]
    assert "constraint" in text and "forecast" in text and "applied" in text
    assert "an hour now, $" in text and "Otherwise: one more " in text


def test_an_earlier_moment_has_its_own_decision(api: str) -> None:
    at = str(START_S + 1.5 * INTERVAL_S)
    done = CliRunner().invoke(app, ["explain", "chat", "--at", at, "--api", api, "--json"])
    assert json.loads(done.stdout)["at_s"] == START_S + INTERVAL_S


def test_before_the_first_decision_there_is_none(api: str) -> None:
    done = CliRunner().invoke(app, ["explain", "chat", "--at", "2020-01-01", "--api", api])
    assert isinstance(done.exception, UserError) and "no decision before 2020-01-01" in str(done.exception)


@pytest.mark.parametrize(
    ("text", "at_s"),
    [("12.5", 12.5), ("1970-01-01T00:01", 60), ("1970-01-01T01:00+01:00", 0), ("1970-01-02", 86400)],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, at_s: float) -> None:
    assert moment(text) == at_s


def test_a_rack_is_explained_by_the_numbers_of_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = rack(FleetWorld(lambda: START_S)).model_dump()
    monkeypatch.setattr("app.cli.explain.get", lambda api, path: [row])
    text = CliRunner().invoke(app, ["explain", "--rack", "h100-shared"]).stdout
    assert text.startswith("Keep 10 GPUs") and "10 held, 6 used, 4 lent, 0 ordered of at most 32 H100" in text
    assert "$3.00 an hour for GPUs that nobody is awake on" in text
    assert json.loads(CliRunner().invoke(app, ["explain", "--rack", "h100-shared", "--json"]).stdout) == row


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rack", "nowhere"], "no such rack; known: none"),
        (["chat", "--rack", "shared"], "give no service and no --at"),
        ([], "give the name of a service, or --rack NAME"),
    ],
)
def test_what_cannot_be_explained_is_one_line(api: str, arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["explain", *arguments, "--api", api])
    assert isinstance(done.exception, UserError) and said in str(done.exception)
