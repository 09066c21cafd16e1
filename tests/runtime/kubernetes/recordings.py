"""Exchanges with a real API server, and a transport that answers with them: asked the same, it says the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from runtime.kubernetes.client import Api, Limits
from runtime.kubernetes.connection import Connection
from runtime.kubernetes.resource import Place, Resource
from tests.runtime.kubernetes.clocks import Jumping

FOLDER = Path(__file__).parents[2] / "fixtures/kubernetes"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def recording(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def body(name: str) -> Any:
    return recording(name)["response"]["body"]


def items(name: str) -> list[dict[str, Any]]:
    return body(name)["items"]


class Lines(httpx.AsyncByteStream):
    """A body in pieces; an exception among them is raised in its turn."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def lines(events: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(event).encode() + b"\n" for event in events]


def answer(name: str) -> httpx.Response:
    said = recording(name)["response"]
    if "events" in said:
        return httpx.Response(said["status"], headers=said["headers"], stream=Lines(*lines(said["events"])))
    content = said["body"] if isinstance(said["body"], str) else json.dumps(said["body"])
    return httpx.Response(said["status"], headers=said["headers"], content=content)


class Replay(httpx.AsyncBaseTransport):
    """Plays these exchanges in order; a request that is not the recorded one fails the test."""

    def __init__(self, *names: str, exact: bool = True) -> None:
        self.left = list(names)
        self.exact = exact
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        assert self.left, f"nothing recorded for {request.method} {request.url}"
        name = self.left.pop(0)
        asked = recording(name)["request"]
        query = dict(request.url.params)
        assert (request.method, request.url.path) == (asked["method"], asked["path"]), name
        if self.exact:
            query.pop("fieldValidation", None)
            assert query == {k: v for k, v in asked["query"].items() if k != "fieldValidation"}, name
            content = await request.aread()
            assert (json.loads(content) if content else None) == asked["body"], name
        return answer(name)


def api(transport: httpx.AsyncBaseTransport, clock: Jumping | None = None, **changes: Any) -> Api:
    limits = changes.pop("limits", None) or Limits()
    return Api(Connection("http://cluster"), clock or Jumping(), limits, transport=transport, **changes)


def place(path: str) -> Place:
    """The place that a recorded path names."""
    parts = path.strip("/").split("/")
    group, parts = ("", parts[1:]) if parts[0] == "api" else (parts[1], parts[2:])
    version, parts = parts[0], parts[1:]
    namespace = None
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, *rest = parts
    return Resource(group, version, plural, "").at(namespace, *rest)
