"""What is there now, without asking every time: one list, then a watch for as long as it holds.

Promises: plain dicts by uid, trimmed to what somebody reads; never half a list; older news never replaces newer; and
it is known how old the picture is (``synced_s``), because acting on a stale one is worse than not acting.

A watch resumes where it broke. It begins anew with a list when the server has forgotten that point (410, as the status
of a list or as an event within a watch that began with 200), and every ``relist_s`` in any case: a server restored from
a backup answers a watch from its own future with silence.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from runtime.kubernetes.client import Api, Json
from runtime.kubernetes.errors import Forbidden, Gone, KubeError, NotServed, Unavailable, error_of
from runtime.kubernetes.resource import Place

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, and objects a page. ``watch_s`` bounds how long a silent watch is believed."""

    watch_s: float = 45.0
    relist_s: float = 900.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    absent_s: float = 60.0
    page: int = 500


def whole(obj: Json) -> Json:
    """Keep everything but the record of who set what, which is often half of an object."""
    obj["metadata"].pop("managedFields", None)
    return obj


@dataclass(slots=True)
class Cache:
    """The objects at ``place`` that fit the selectors; none, if ``optional``, where the resource is not served."""

    api: Api
    place: Place
    labels: str = ""
    fields: str = ""
    keep: Callable[[Json], Json] = whole
    optional: bool = False
    pace: Pace = field(default_factory=Pace)
    rng: random.Random = field(default_factory=random.Random)

    objects: dict[str, Json] = field(default_factory=dict)
    synced_s: float | None = None
    """The last moment at which it was seen to be in step, UTC seconds; None before the first list."""
    problem: str = ""
    """Why it is not in step, one line; empty while it is."""
    version: int = 0
    """The resourceVersion that it has reached."""
    lists: int = 0
    _listed_s: float = 0.0
    _failures: int = 0
    _first: asyncio.Event = field(default_factory=asyncio.Event)

    async def ready(self) -> None:
        """Wait for the first list."""
        await self._first.wait()

    async def run(self) -> None:
        """Keep up until cancelled."""
        fresh = False
        while True:
            try:
                if not fresh:
                    await self._list()
                fresh = True
                await self._watch()
                fresh = await self.api.clock.now() - self._listed_s < self.pace.relist_s
            except Gone:
                fresh = False
            except KubeError as error:
                self._failures += 1
                await self._trouble(error)

    def learn(self, obj: Json) -> None:
        """What a write was answered with, so that nobody decides on what was before it. What is gone stays gone."""
        if obj["metadata"]["uid"] in self.objects:
            self._put(obj)

    # --- one list, one watch -------------------------------------------------------------------------------------

    async def _list(self) -> None:
        """All pages, then all at once; a list that expired on the way begins again, without pages."""
        try:
            objects, version = await self._pages(self.pace.page)
        except Gone:
            objects, version = await self._pages(0)
        self.objects, self.version = objects, version
        self.lists += 1
        self._listed_s = await self._in_step()
        self._first.set()

    async def _pages(self, size: int) -> tuple[dict[str, Json], int]:
        objects: dict[str, Json] = {}
        query = {**self._selectors(), **({"limit": str(size)} if size else {})}
        while True:
            said = await self.api.get(self.place, query)
            for obj in said["items"]:
                objects[obj["metadata"]["uid"]] = self.keep(obj)
            more = said["metadata"].get("continue")
            if not more:
                return objects, int(said["metadata"]["resourceVersion"])
            query["continue"] = more

    async def _watch(self) -> None:
        """Until the server ends it, which it does after ``watch_s``."""
        last_s = self.pace.watch_s * self.rng.uniform(0.8, 1.0)
        query = {
            **self._selectors(),
            "resourceVersion": str(self.version),
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(last_s))),
        }
        async for event in self.api.watch(self.place, query, silence_s=last_s + self.api.limits.timeout_s):
            if event:
                self._apply(event)
            else:
                self._failures = 0  # what breaks after that is a new trouble, even if it breaks every minute
            await self._in_step()
        await self._in_step()

    def _apply(self, event: Json) -> None:
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise error_of(int(obj.get("code") or 500), obj)
        if kind == "DELETED":
            self.objects.pop(obj["metadata"]["uid"], None)
        elif kind in ("ADDED", "MODIFIED"):
            self._put(obj)
        elif kind != "BOOKMARK":
            raise Unavailable(f"watch of {self.place.path}: event of type {kind!r}", 200)
        self.version = max(self.version, _version(obj))

    def _put(self, obj: Json) -> None:
        known = self.objects.get(obj["metadata"]["uid"])
        if known is None or _version(known) <= _version(obj):
            self.objects[obj["metadata"]["uid"]] = self.keep(obj)

    async def _in_step(self) -> float:
        self.problem = ""
        self.synced_s = await self.api.clock.now()
        return self.synced_s

    async def _trouble(self, error: KubeError) -> None:
        if self.optional and isinstance(error, NotServed):
            self.objects = {}
            await self._in_step()
            self._first.set()
            wait_s = self.pace.absent_s
        else:
            if str(error) != self.problem:
                log.warning("not in step", resource=self.place.label, why=str(error))
            self.problem = str(error)
            wait_s = min(self.pace.backoff_max_s, self.pace.backoff_s * 2 ** min(self._failures - 1, 10))
            wait_s = self.pace.backoff_max_s if isinstance(error, Forbidden) else wait_s
            wait_s = max(wait_s * self.rng.uniform(0.5, 1.0), error.retry_after_s or 0.0)
        await self.api.clock.sleep_until(await self.api.clock.now() + wait_s)

    def _selectors(self) -> dict[str, str]:
        told: dict[str, Any] = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {key: value for key, value in told.items() if value}


def _version(obj: Json) -> int:
    """resourceVersions of one resource may be compared as numbers (by the API's conventions since 1.35)."""
    return int(obj["metadata"]["resourceVersion"])
