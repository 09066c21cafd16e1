"""The agents' token. Two may be valid at once, so that it can be changed while everything runs.

Promise: of a file with one token a line, who asks shows the first and an agent takes each; the file is read again when
it changes. A token is in no log and no error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.errors import UserError
from app.fleetsettings import TOKEN_LEAST
from app.renewed import Renewed


def accepted(file: Path | None) -> Callable[[], tuple[str, ...]] | None:
    """Which tokens an agent takes now, None without a file; raises as ``read``."""
    return None if file is None else Renewed((file,), lambda: read(file))


def shown(file: Path | None) -> Callable[[], str] | None:
    """Which token an agent is shown now, None without a file; raises as ``read``."""
    if file is None:
        return None
    tokens = Renewed((file,), lambda: read(file))
    return lambda: tokens()[0]


def read(file: Path) -> tuple[str, ...]:
    """All tokens in the file; raises ``UserError`` for one that is no secret."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"fleet.token_file: {file}: {error.strerror}; give a file with the agents' token") from None
    tokens = tuple(line.strip() for line in lines if line.strip())
    if not tokens or any(len(token) < TOKEN_LEAST or len(token.split()) > 1 for token in tokens):
        raise UserError(f"fleet.token_file: {file}: give a word of at least {TOKEN_LEAST} characters on each line")
    return tokens
