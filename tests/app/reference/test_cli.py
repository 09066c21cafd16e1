"""The command line's page has every command that ``--help`` shows, with what it takes."""

from __future__ import annotations

import pytest

from app.reference.cli import page
from tests.docs.commands import leaves


@pytest.fixture(scope="module")
def told() -> str:
    return page()


def test_every_command_has_a_section_and_its_options(told: str) -> None:
    sections = {part.partition("\n")[0]: part for part in told.split("\n## ")[1:]}
    for words, command in leaves():
        section = sections.pop(f"leadtime {' '.join(words)}", "")
        for one in command.params:
            assert one.param_type_name == "argument" or one.opts[-1] in section, (words, one.name)
    assert not sections


def test_what_help_says_is_said(told: str) -> None:
    assert "| `--watch <float range>` |" in told and "0<=x<=21600" in told
    assert "| `--author <str>` | Who makes the change. [env var: USER; required] |" in told


def test_hidden_commands_are_not_shown(told: str) -> None:
    assert "## leadtime fleet" not in told
