"""The command line's way to the API: httpx, with every failure told as one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from app.credential import TOKEN, signed
from app.errors import UserError

API = "http://127.0.0.1:8800"
API_HELP = "Address of the Leadtime API."


def get(api: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """The JSON answer to a read under ``/api/v1``."""
    return request("GET", api, path, params=params)


def request(method: str, api: str, path: str, **options: Any) -> Any:
    """The JSON answer; raises ``UserError`` where nothing answers or the API refuses."""
    import httpx

    try:
        answer = httpx.request(method, f"{api.rstrip('/')}/api/v1{path}", timeout=10.0, auth=signed, **options)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"{api}: no answer from the API ({reason}); run leadtime up or give --api") from None
    try:
        body = answer.json()
    except ValueError:
        raise UserError(f"{api}: answers, but not as the Leadtime API does; give another --api") from None
    if answer.is_error:
        detail = body.get("detail") if isinstance(body, dict) else None
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise UserError(f"{api}: {detail}; set {TOKEN} to a token (401)")
        raise UserError(f"{api}: {detail or answer.reason_phrase} ({answer.status_code})")
    return body


def part(text: str) -> str:
    """One segment of a path, quoted."""
    return quote(text, safe="")
