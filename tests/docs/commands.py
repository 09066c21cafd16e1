"""Command lines as the documentation writes them, and the real command line that they are held to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import typer
from typer.main import get_command

from app.cli.main import app
from tests.docs.pages import PAGES, Line, lines

ROOT = get_command(app)
UsageError: Any = typer.BadParameter.__base__

SYNOPSIS = re.compile(r"[…\[{]|\.\.\.|\S\|\S")
"""A line with one of these shows how a command is written; it is no call of it."""

ASIDE = re.compile(r"\s{3,}(?=[^-#\s\\])")
"""Beyond so many spaces a line says what the command does."""

BETWEEN = {"|", "&&", ";", "·", "&"}


@dataclass(frozen=True, slots=True)
class Call:
    """One command with its words, and the file that its output goes ``into``.

    It is ``mentioned`` where it is named or sketched, and not written out as a call.
    """

    line: Line
    words: tuple[str, ...]
    into: str | None = None

    @property
    def mentioned(self) -> bool:
        """Whether it stands within text, or has marks of a sketch."""
        return not self.line.block or bool(SYNOPSIS.search(" ".join(self.words)))

    def __str__(self) -> str:
        return f"{self.line.page}:{self.line.number}: {' '.join(self.words)}"


def calls(*programs: str, pages: Iterable[Any] = PAGES) -> list[Call]:
    """Every call of these programs on these pages, each line's only once a page, in order."""
    found = (one for page in pages for line in lines(page) for one in within(line))
    wanted = [one for one in found if program(one.words) in programs]
    return list({(one.line.page, one.words): one for one in wanted}.values())


def within(line: Line) -> Iterator[Call]:
    """The commands of one line. A line that no shell could read is none."""
    try:
        words = shlex.split(ASIDE.split(line.text)[0] if line.block else line.text, comments=line.block)
    except ValueError:
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if word in BETWEEN:
            if command:
                yield call(line, command)
            command = []
        elif command or not re.fullmatch(r"[A-Z_]+=.*", word):
            command.append(word.rstrip(";"))


def call(line: Line, words: list[str]) -> Call:
    """A command, apart from where its output goes."""
    if ">" in words:
        at = words.index(">")
        return Call(line, tuple(words[:at]), words[at + 1])
    return Call(line, tuple(words))


def program(words: tuple[str, ...]) -> str:
    """What is called: ``python -m`` is a program of its own, and a folder before a name is left out."""
    name = words[0].rpartition("/")[2]
    return "python -m" if name.startswith("python") and words[1:2] == ("-m",) else name


def leaves(group: Any = ROOT, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that is shown, with its words."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from leaves(command, (*words, name))
        else:
            yield (*words, name), command


def resolved(words: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """The command that the words after ``leadtime`` name, and the words that are left for it.

    A group alone is itself; a word that is no command of a group is a LookupError.
    """
    command: Any = ROOT
    while hasattr(command, "commands") and words and not words[0].startswith(("-", "…", "{")):
        if words[0] not in command.commands:
            raise LookupError(f"there is no command {words[0]!r}; there are {', '.join(command.commands)}")
        command, words = command.commands[words[0]], words[1:]
    return command, words


def refused(words: tuple[str, ...]) -> str | None:
    """Why the real command line would not take these words after ``leadtime``; None where it would."""
    try:
        command, left = resolved(words)
        command.make_context("leadtime", list(left))
    except LookupError as error:
        return str(error)
    except UsageError as error:
        return str(error.format_message())
    except typer.Exit:
        return None
    return None


def unknown_options(words: tuple[str, ...]) -> list[str]:
    """Options among the words that the command does not have; LookupError where there is no such command."""
    command, left = resolved(words)
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    named = re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(left))
    return [option for option in named if option not in known]
