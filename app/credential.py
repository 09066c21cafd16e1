"""The credential that our own callers show the API: the command line, the console, the router, KEDA's scaler.

Promise: it comes from the environment and goes into one header, never into an address, an argument or a log.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import UserError

if TYPE_CHECKING:
    import httpx

TOKEN = "LEADTIME_TOKEN"
TOKEN_FILE = "LEADTIME_TOKEN_FILE"


def credential() -> str | None:
    """The token in the environment, or in the file that it names, read anew each time; None where neither is."""
    if given := os.environ.get(TOKEN, "").strip():
        return given
    file = os.environ.get(TOKEN_FILE)
    if not file:
        return None
    try:
        found = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{TOKEN_FILE}: {file}: {error}; give a file whose first line is the token") from None
    if not found:
        raise UserError(f"{TOKEN_FILE}: {file} is empty; give a file whose first line is the token")
    return found.splitlines()[0]


def signed(request: httpx.Request) -> httpx.Request:
    """The request with the credential, if there is one (what httpx takes as ``auth``)."""
    if (found := credential()) is not None:
        request.headers["Authorization"] = f"Bearer {found}"
    return request
