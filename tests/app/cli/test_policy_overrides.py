"""Overrides from the command line, against a real API."""

from __future__ import annotations

import json

import pytest

from app.cli.policy_overrides import seconds
from app.errors import UserError
from tests.app.cli.test_policy import run

BY = ("--author", "ada", "--reason", "load test")


def test_a_pin_is_made_listed_and_lifted(api: str) -> None:
    assert run(api, "pin", "chat", "3", "--for", "2h", *BY).stdout.startswith("chat: pinned to 3 until ")
    (row,) = json.loads(run(api, "overrides", "--json").stdout)
    assert (row["kind"], row["replicas"], row["author"]) == ("pin", 3, "ada")
    assert "pinned to 3" in run(api, "overrides").stdout
    assert run(api, "lift", row["id"], "--author", "bob").stdout == "chat: pinned to 3 is lifted by bob\n"
    assert json.loads(run(api, "overrides", "--json").stdout) == []
    assert "lifted by bob" in run(api, "overrides", "chat").stdout


def test_a_service_or_the_fleet_is_frozen(api: str) -> None:
    assert run(api, "freeze", "chat", "--for", "30m", *BY).stdout.startswith("chat: frozen until ")
    assert run(api, "freeze", "--all", "--for", "30m", *BY).stdout.startswith("the fleet: frozen until ")
    assert run(api, "at-least", "chat", "2", "--for", "30m", *BY).stdout.startswith("chat: at least 2 until ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("freeze", "--for", "2h"), "--all for the whole fleet"),
        (("freeze", "chat", "--all", "--for", "2h"), "--all for the whole fleet"),
        (("pin", "chat", "999", "--for", "2h"), "outside the policy's bounds"),
        (("pin", "chat", "2", "--for", "soon"), "--for soon: not a duration"),
        (("pin", "nobody", "2", "--for", "2h"), "no service"),
    ],
)
def test_mistakes_are_told_in_one_line(api: str, arguments: tuple[str, ...], says: str) -> None:
    error = run(api, *arguments, *BY).exception
    assert isinstance(error, UserError) and says in str(error) and "\n" not in str(error)


def test_durations_add_up() -> None:
    assert [seconds(text) for text in ("90s", "30m", "1h30m", "1.5h", "3d")] == [90, 1800, 5400, 5400, 259200]
