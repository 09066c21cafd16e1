"""The benchmark's cluster follows its counts, and shows a client what a real one would."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from benchmarks import cluster_server
from benchmarks.cluster_server import Controllers, LargeServer, Size, application
from runtime.kubernetes.pods import Situation, state
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.recordings import place

SIZE = Size(services=2, replicas=4, gpus=20, namespaces=1, port=9)


@pytest.fixture
def controllers(monkeypatch: pytest.MonkeyPatch) -> Controllers:
    monkeypatch.setattr(cluster_server, "START_S", 0.0)
    monkeypatch.setattr(cluster_server, "STOP_S", 0.0)
    made = Controllers(SIZE, LargeServer(Jumping()))
    made.fill()
    return made


def scale(controllers: Controllers, count: int) -> None:
    deployment = copy.deepcopy(controllers.server.get("deployments", "s0", "llm-0"))
    deployment["spec"]["replicas"] = count
    controllers.server.put("deployments", deployment)


def situations(controllers: Controllers) -> list[Situation]:
    pods = [pod for pod in controllers.server.all("pods") if pod["metadata"]["labels"]["app"] == "s0"]
    return [state(pod).situation for pod in pods]


def test_it_is_as_large_as_it_was_asked_to_be(controllers: Controllers) -> None:
    assert len(controllers.server.all("pods")) == 4
    assert len(controllers.server.all("nodes")) == 3
    assert situations(controllers) == [Situation.READY] * 2


def test_pods_follow_the_count(controllers: Controllers) -> None:
    scale(controllers, 3)
    controllers.follow(0)
    assert sorted(situations(controllers)) == sorted([Situation.READY] * 2 + [Situation.STARTING])
    controllers.step(0.0)
    assert situations(controllers) == [Situation.READY] * 3
    scale(controllers, 1)
    controllers.follow(0)
    assert situations(controllers).count(Situation.TERMINATING) == 2
    controllers.step(0.0)
    assert situations(controllers) == [Situation.READY]


def test_a_list_comes_in_pages(controllers: Controllers) -> None:
    at = place("/api/v1/namespaces/llm-0/pods")
    first = controllers.server._list(at, {"limit": "3"})
    rest = controllers.server._list(at, {"limit": "3", "continue": first["metadata"]["continue"]})
    assert [len(page["items"]) for page in (first, rest)] == [3, 1]
    assert "continue" not in rest["metadata"]


async def test_a_watch_ends_when_it_was_asked_to(controllers: Controllers) -> None:
    sent: list[dict[str, Any]] = []
    version = controllers.server.version
    scale(controllers, 3)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    query = f"watch=true&resourceVersion={version}&timeoutSeconds=0.2".encode()
    path = "/apis/apps/v1/namespaces/llm-0/deployments"
    scope = {"path": path, "query_string": query, "method": "GET", "headers": []}
    await application(controllers.server)(scope, receive, send)
    (event,) = [json.loads(message["body"]) for message in sent if message.get("body")]
    assert (event["type"], event["object"]["spec"]["replicas"]) == ("MODIFIED", 3)
