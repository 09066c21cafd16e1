"""The command line's way to the API: httpx, with every failure told as one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.credential import TOKEN, signed
from app.errors import UserError

if TYPE_CHECKING:
    import httpx

UNAUTHORIZED = 401

API = "http://127.0.0.1:8800"
API_HELP = "Address of the Leadtime API."


def get(api: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """The JSON answer to a read under ``/api/v1``."""
    return request("GET", api, path, params=params)


def request(method: str, api: str, path: str, **options: Any) -> Any:
    """The JSON answer; raises ``UserError`` where nothing answers or the API refuses."""
    answer = asked(method, api, path, **options)
    body = _json(api, answer)
    refused(api, answer, body)
    return body


def download(api: str, path: str, params: Mapping[str, Any], timeout_s: float) -> str:
    """The text of an answer that is no JSON; raises ``UserError`` as ``request`` does."""
    answer = asked("GET", api, path, params=params, timeout=timeout_s)
    if answer.is_error:
        refused(api, answer, _json(api, answer))
    return answer.text


def asked(method: str, api: str, path: str, **options: Any) -> httpx.Response:
    """Whatever is answered; raises ``UserError`` where nothing answers."""
    import httpx

    try:
        return httpx.request(method, f"{api.rstrip('/')}/api/v1{path}", auth=signed, **{"timeout": 10.0, **options})
    except (httpx.TransportError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"{api}: no answer from the API ({reason}); run leadtime up or give --api") from None


def _json(api: str, answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise UserError(f"{api}: answers, but not as the Leadtime API does; give another --api") from None


def refused(api: str, answer: httpx.Response, body: Any) -> None:
    """Raise ``UserError`` with the API's own words where it refuses."""
    if answer.is_error:
        detail = body.get("detail") if isinstance(body, dict) else None
        if answer.status_code == UNAUTHORIZED:
            raise UserError(f"{api}: {detail}; set {TOKEN} to a token (401)")
        raise UserError(f"{api}: {detail or answer.reason_phrase} ({answer.status_code})")


def part(text: str) -> str:
    """One segment of a path, quoted."""
    return quote(text, safe="")
