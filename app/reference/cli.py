"""The command line's reference: every command with its arguments and options, as ``--help`` says them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from app.cli.main import app
from app.reference.markdown import prose, table

HEAD = """# Command line

Made from the code; `leadtime COMMAND --help` says the same. A mistake in what was given is one line on the standard
error output and exit code 2. Commands that ask the API take its address by `--api` and a token from the variable
`LEADTIME_TOKEN`. `--json` prints one JSON document on the standard output and nothing else. `leadtime --version` prints
the version.

"""


def page() -> str:
    """The whole page."""
    root = get_command(app)
    context = root.make_context("leadtime", [], resilient_parsing=True)
    return HEAD + "\n".join(part for _, command, own in commands(root, context) for part in section(command, own))


def commands(group: Any, context: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Every command under a group that is shown, with its words and its context, depth first as ``--help`` has them.

    Loosely typed: whether typer builds on click or on a copy of its own depends on its version.
    """
    for name, command in group.commands.items():
        if command.hidden:
            continue
        own = type(context)(command, info_name=name, parent=context)
        if hasattr(command, "commands"):
            yield from commands(command, own, (*words, name))
        else:
            yield (*words, name), command, own


def section(command: Any, context: Any) -> Iterator[str]:
    """One command: what it does, how it is written, what it takes."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = [(one, one.get_help_record(context)) for one in command.get_params(context)]
    shown = [(one, record) for one, record in records if record and "--help" not in one.opts]
    yield f"## {context.command_path}\n\n{prose(command.help)}\n\n    {usage}\n"
    for kind, title in (("argument", "argument"), ("option", "option")):
        rows = [(f"`{name}`", text) for one, (name, text) in shown if one.param_type_name == kind]
        if rows:
            yield table([title, "meaning"], rows)
