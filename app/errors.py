"""The one error that people see: a mistake in what they gave us, told in one line.

Promise: whoever raises ``UserError`` has put file (or address), key and what would be right into that line;
the command line prints it as it is and exits with 2, without a traceback.
"""

from __future__ import annotations

from collectors.redact import redacted


class UserError(Exception):
    """Bad input; ``str(error)`` is one line that says what is wrong and what would be right.

    A credential in it (an address often has one) is hidden.
    """

    def __init__(self, line: str) -> None:
        super().__init__(redacted(" ".join(line.split())))
