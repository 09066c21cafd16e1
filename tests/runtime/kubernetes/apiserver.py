"""A small API server in memory: objects with resourceVersions, lists in pages, watches with a history that can be
forgotten, patches, scales, evictions against budgets, leases; and faults on request.

It answers as the recorded server does where that matters to a client; it validates little.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from runtime.kubernetes import selectors
from runtime.kubernetes.resource import Place
from runtime.kubernetes.times import whole
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.recordings import place

Json = dict[str, Any]
Key = tuple[str, str, str]
Fault = Callable[[httpx.Request], httpx.Response | Exception | None]
SERVED = {"pods", "nodes", "deployments", "statefulsets", "leaderworkersets", "horizontalpodautoscalers"} | {
    "poddisruptionbudgets",
    "leases",
    "events",
}


class Refusal(Exception):
    def __init__(self, status: int, reason: str, message: str = "", causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason
        self.causes = [{"reason": cause, "message": message} for cause in causes]

    def response(self) -> httpx.Response:
        body = {"kind": "Status", "status": "Failure", "reason": self.reason, "message": str(self), "code": self.status}
        return httpx.Response(self.status, json={**body, "metadata": {}, "details": {"causes": self.causes}})


class ApiServer(httpx.AsyncBaseTransport):
    """``faults`` see every request first: what one gives is the answer, an exception is raised."""

    def __init__(self, clock: Jumping) -> None:
        self.clock = clock
        self.version = 100
        self.objects: dict[Key, Json] = {}
        self.history: list[tuple[int, str, str, Json]] = []
        self.forgotten = 0
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.writes: list[tuple[str, str, Any]] = []
        self.served = set(SERVED)
        self._news = asyncio.Event()
        self._cuts = 0

    # --- what tests do -------------------------------------------------------------------------------------------

    def get(self, plural: str, name: str, namespace: str = "llm") -> Json:
        return self.objects[plural, "" if plural == "nodes" else namespace, name]

    def all(self, plural: str) -> list[Json]:
        return [obj for (kind, _, _), obj in sorted(self.objects.items()) if kind == plural]

    def put(self, plural: str, obj: Json) -> Json:
        """Create or replace, as the cluster's own controllers do."""
        meta = obj["metadata"]
        key = (plural, meta.get("namespace", ""), meta["name"])
        known = self.objects.get(key)
        self.version += 1
        meta["resourceVersion"] = str(self.version)
        meta.setdefault("uid", f"uid-{self.version}")
        meta.setdefault("creationTimestamp", whole(self.clock.now_s))
        self.objects[key] = copy.deepcopy(obj)
        self._tell(plural, "MODIFIED" if known else "ADDED", obj)
        return obj

    def touch(self, plural: str, name: str) -> None:
        self.put(plural, copy.deepcopy(self.get(plural, name)))

    def remove(self, plural: str, obj: Json) -> None:
        meta = obj["metadata"]
        gone = self.objects.pop((plural, meta.get("namespace", ""), meta["name"]))
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell(plural, "DELETED", gone)

    def forget(self) -> None:
        """Compact: watches from before this moment are gone."""
        self.forgotten = self.version
        self.history.clear()

    def cut(self) -> None:
        """Break every watch."""
        self._cuts += 1
        self._wake()

    def fail(self, times: int, fault: Fault) -> None:
        """A fault for so many of the requests that it concerns."""
        left = [times]

        def once(request: httpx.Request) -> httpx.Response | Exception | None:
            if not left[0] or (said := fault(request)) is None:
                return None
            left[0] -= 1
            return said

        self.faults.append(once)

    # --- HTTP ----------------------------------------------------------------------------------------------------

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        self.requests.append((request.method, request.url.path))
        for fault in self.faults:
            if (said := fault(request)) is not None:
                if isinstance(said, Exception):
                    raise said
                return said
        at, query = place(request.url.path), dict(request.url.params)
        if at.resource.plural not in self.served:
            return httpx.Response(404, headers={"Content-Type": "text/plain"}, text="404 page not found\n")
        body = json.loads(content) if content else None
        if request.method != "GET":
            self.writes.append((request.method, request.url.path, body))
        try:
            if query.get("watch"):
                return self._watch(at, query)
            return self._answer(request.method, at, query, body, request.headers.get("Content-Type", ""))
        except Refusal as refusal:
            return refusal.response()

    def _answer(self, method: str, at: Place, query: dict[str, str], body: Any, kind: str) -> httpx.Response:
        if method == "POST" and at.sub == "eviction":
            return httpx.Response(201, json=self._evict(at))
        if method == "POST":
            return httpx.Response(201, json=self._create(at, body))
        if at.name is None:
            return httpx.Response(200, json=self._list(at, query))
        obj = self._find(at)
        if method in ("PUT", "PATCH"):
            self._write(at, obj, body, kind)
            obj = self._find(at)
        return httpx.Response(200, json=_scale(obj) if at.sub == "scale" else obj)

    def _find(self, at: Place) -> Json:
        key = (at.resource.plural, at.namespace or "", at.name or "")
        if key not in self.objects:
            raise Refusal(404, "NotFound", f'{at.resource.plural} "{at.name}" not found')
        return self.objects[key]

    def _create(self, at: Place, body: Json) -> Json:
        key = (at.resource.plural, at.namespace or "", body["metadata"]["name"])
        if key in self.objects:
            raise Refusal(409, "AlreadyExists", f'{at.resource.plural} "{key[2]}" already exists')
        body["metadata"]["namespace"] = at.namespace
        return self.put(at.resource.plural, body)

    def _write(self, at: Place, obj: Json, body: Any, kind: str) -> None:
        shown = _scale(obj) if at.sub == "scale" else obj
        if isinstance(body, list):
            changed = _operated(shown, body)
        else:
            told = (body.get("metadata") or {}).get("resourceVersion")
            if told is not None and told != obj["metadata"]["resourceVersion"]:
                raise Refusal(409, "Conflict", "the object has been modified; please apply your changes")
            if told is None and kind == "application/json" and at.sub is None:
                raise Refusal(422, "Invalid", "metadata.resourceVersion: must be specified for an update")
            changed = _merged(shown, body) if "merge" in kind else {**shown, **body}
            changed["metadata"] = {**shown["metadata"], **changed["metadata"]}
        if at.sub == "scale":
            changed = _merged(obj, {"spec": {"replicas": changed["spec"].get("replicas") or 0}})
        if changed != obj:
            self.put(at.resource.plural, copy.deepcopy(changed))

    def _evict(self, at: Place) -> Json:
        pod = self._find(Place(at.resource, at.namespace, at.name))
        if "deletionTimestamp" not in pod["metadata"]:
            for budget in self.all("poddisruptionbudgets"):
                fits = selectors.parse(selectors.of_object(budget["spec"]["selector"]))
                if fits(pod["metadata"].get("labels", {})) and budget["status"]["disruptionsAllowed"] < 1:
                    message = f"The disruption budget {budget['metadata']['name']} needs them all"
                    raise Refusal(429, "TooManyRequests", message, ("DisruptionBudget",))
            self.terminate(pod)
        return {"kind": "Status", "status": "Success", "code": 201}

    def terminate(self, pod: Json) -> None:
        """What bears a node gets a grace period; what has none is gone at once."""
        if not pod["spec"].get("nodeName"):
            self.remove("pods", pod)
            return
        changed = copy.deepcopy(pod)
        changed["metadata"]["deletionTimestamp"] = whole(self.clock.now_s + 30)
        self.put("pods", changed)

    def _list(self, at: Place, query: dict[str, str]) -> Json:
        found = [obj for obj in self.all(at.resource.plural) if self._fits(at, query, obj)]
        first, version = 0, self.version
        if token := query.get("continue"):
            first, version = (int(part) for part in token.split("-"))
            if version < self.forgotten:
                raise Refusal(410, "Expired", "The provided continue parameter is too old")
        meta: Json = {"resourceVersion": str(version)}
        if (size := int(query.get("limit", 0))) and first + size < len(found):
            meta["continue"] = f"{first + size}-{version}"
        items = found[first : first + size] if size else found
        return {"kind": "List", "metadata": meta, "items": copy.deepcopy(items)}

    def _fits(self, at: Place, query: dict[str, str], obj: Json) -> bool:
        if at.namespace is not None and obj["metadata"].get("namespace") != at.namespace:
            return False
        wanted = query.get("labelSelector")
        return not wanted or selectors.parse(wanted)(obj["metadata"].get("labels", {}))

    # --- watches -------------------------------------------------------------------------------------------------

    def _watch(self, at: Place, query: dict[str, str]) -> httpx.Response:
        stream = _Stream(self._events(at, query))
        return httpx.Response(200, stream=stream)

    async def _events(self, at: Place, query: dict[str, str]) -> AsyncIterator[bytes]:
        version, cuts, wanted = int(query.get("resourceVersion", 0)), self._cuts, query.get("labelSelector")
        fits = selectors.parse(wanted) if wanted else lambda labels: True
        seen = {obj["metadata"]["uid"] for obj in self._list(at, query)["items"]}
        while True:
            if version < self.forgotten:
                status = {"kind": "Status", "metadata": {}, "reason": "Expired", "code": 410, "message": "too old"}
                yield _line("ERROR", status)
                return
            for number, plural, kind, obj in list(self.history):
                if number <= version or plural != at.resource.plural:
                    continue
                if at.namespace is not None and obj["metadata"].get("namespace") != at.namespace:
                    continue
                uid, now = obj["metadata"]["uid"], kind != "DELETED" and fits(obj["metadata"].get("labels", {}))
                if now or uid in seen:
                    yield _line(kind if now else "DELETED", obj)
                (seen.add if now else seen.discard)(uid)
            version = max(version, self.version)
            yield _line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}, "spec": {"replicas": 0}})
            if cuts != self._cuts:
                raise httpx.ReadError("connection reset")
            await self._news.wait()

    def _tell(self, plural: str, kind: str, obj: Json) -> None:
        self.history.append((self.version, plural, kind, copy.deepcopy(obj)))
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces


def _line(kind: str, obj: Json) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def _scale(obj: Json) -> Json:
    """Zero replicas are not there at all."""
    wanted = obj["spec"].get("replicas")
    selector = obj["spec"].get("selector")
    if selector is None:
        name = obj["metadata"]["name"]
        text = f"leaderworkerset.sigs.k8s.io/name={name},leaderworkerset.sigs.k8s.io/worker-index=0"
    else:
        text = selectors.of_object(selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")},
        "spec": {"replicas": wanted} if wanted else {},
        "status": {"replicas": (obj.get("status") or {}).get("replicas", 0), "selector": text},
    }


def _merged(obj: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _operated(obj: Json, operations: list[Json]) -> Json:
    """RFC 6902, as far as it is used."""
    changed = copy.deepcopy(obj)
    for one in operations:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        at: Any = changed
        try:
            for part in parents:
                at = at[int(part)] if isinstance(at, list) else at[part]
            if one["op"] == "test":
                there = at[int(last)] if isinstance(at, list) else at.get(last)
                if there != one["value"]:
                    raise KeyError(last)
            elif one["op"] == "remove":
                del at[int(last) if isinstance(at, list) else last]
            elif isinstance(at, list):
                at.insert(len(at) if last == "-" else int(last), one["value"])
            else:
                at[last] = one["value"]
        except (KeyError, IndexError, TypeError) as error:
            raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request") from error
    return changed
