"""Policies from the command line, against a real API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from app.cli.main import app
from app.errors import UserError

BY = ("--author", "ada", "--reason", "launch day")


def run(api: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments, "--api", api])


def edited(api: str, folder: Path, **replicas: int) -> Path:
    """The policy in force with other bounds, as a file."""
    policy = yaml.safe_load(run(api, "show", "chat").stdout)
    policy["replicas"] |= replicas
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(policy))
    return path


def test_list_names_every_service(api: str) -> None:
    assert "chat" in run(api, "list").stdout
    (version,) = json.loads(run(api, "list", "--json").stdout)
    assert (version["service"], version["version"]) == ("chat", 1)


def test_what_show_prints_can_be_applied(api: str, tmp_path: Path) -> None:
    done = run(api, "apply", "chat", str(edited(api, tmp_path, min=2)), *BY)
    assert done.stdout == "chat: version 2 is in force, on watch for 30 min\n"
    assert json.loads(run(api, "show", "chat", "--json").stdout)["policy"]["replicas"]["min"] == 2


def test_diff_history_and_rollback(api: str, tmp_path: Path) -> None:
    run(api, "apply", "chat", str(edited(api, tmp_path, min=2)), *BY)
    assert "-  min: 1\n+  min: 2" in run(api, "diff", "chat").stdout
    assert run(api, "rollback", "chat", "--to", "1", *BY).stdout == "chat: version 3 is in force\n"
    assert run(api, "diff", "chat", "--from", "1", "--to", "3").stdout == "no difference\n"
    versions = json.loads(run(api, "history", "chat", "--json").stdout)
    assert [version["version"] for version in versions] == [3, 2, 1]


def test_a_change_from_an_older_version_is_refused(api: str, tmp_path: Path) -> None:
    path = str(edited(api, tmp_path, min=2))
    run(api, "apply", "chat", path, *BY)
    error = run(api, "apply", "chat", path, *BY, "--base-version", "1").exception
    assert isinstance(error, UserError) and "version 2 is the newest" in str(error)


def test_a_mistake_in_the_file_is_told_before_anything_is_sent(api: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mode: auto\nreplicas: {min: 5, max: 2}\n")
    error = run(api, "apply", "chat", str(path), *BY).exception
    assert str(error).startswith(f"{path}:2: replicas: min 5 is greater than max 2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nobody"), "no service 'nobody'; known: chat"),
        (("diff", "chat"), "version 1 is the first"),
        (("diff", "chat", "--from", "1", "--to", "7"), "no policy version 7"),
    ],
)
def test_what_is_not_there_is_named(api: str, arguments: tuple[str, ...], said: str) -> None:
    error = run(api, *arguments).exception
    assert isinstance(error, UserError) and said in str(error)
