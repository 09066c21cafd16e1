"""A large cluster in a process of its own: the tests' small API server over HTTP, with objects of true size.

What a client sees is what a real one would show it: watches end when they were asked to, bookmarks come once a minute,
kubelets write the state of their nodes every five minutes, pods of a new count are made, bound, started and get ready,
and those that go bear a deletion timestamp first. Engines answer on the same port, idle.
"""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import uvicorn

from runtime.kubernetes.resource import Place
from runtime.kubernetes.times import whole
from tests.runtime.kubernetes.apiserver import ApiServer
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.recordings import items

Json = dict[str, Any]
Message = dict[str, Any]

GPUS_PER_NODE = 8
START_S, STOP_S = 8.0, 3.0
NODE_REPORT_S = 300.0
BOOKMARK_S = 55.0
METRICS = 'vllm:num_requests_running{model_name="m"} 0.0\nvllm:num_requests_waiting{model_name="m"} 0.0\n'
COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True, slots=True)
class Size:
    """How large it is; ``port`` is where it listens."""

    services: int
    replicas: int
    gpus: int
    namespaces: int
    port: int

    @property
    def gpus_each(self) -> int:
        """GPUs of one replica."""
        return max(1, self.gpus // self.replicas)

    @property
    def nodes(self) -> int:
        """Nodes that hold them."""
        return -(-self.gpus // GPUS_PER_NODE)

    def namespace(self, service: int) -> str:
        """Services take turns."""
        return f"llm-{service % self.namespaces}"


class LargeServer(ApiServer):
    """The same answers; what is answered is turned into JSON at once, so that lists need no copies."""

    def _list(self, at: Place, query: dict[str, str]) -> Json:
        found = [obj for obj in self.all(at.resource.plural) if self._fits(at, query, obj)]
        first, version = 0, self.version
        if token := query.get("continue"):
            first, version = (int(part) for part in token.split("-"))
        meta: Json = {"resourceVersion": str(version)}
        size = int(query.get("limit", 0)) or len(found)
        if first + size < len(found):
            meta["continue"] = f"{first + size}-{version}"
        return {"kind": "List", "metadata": meta, "items": found[first : first + size]}


@cache
def recorded(name: str) -> str:
    """The first object of a recorded list."""
    return json.dumps(items(name)[0])


def padding(kilobytes: int) -> list[Json]:
    """A record of who set what, which every object drags along."""
    fields: Json = {f"f:field-{i}": {".": {}, f"k:{{name-{i}}}": {"f:value": {}}} for i in range(16 * kilobytes)}
    return [{"manager": "kubelet", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}]


def pod_of(size: Size, service: int, number: int, node: str) -> Json:
    """A recorded vLLM pod under another name, with an environment and managed fields: some 10 kB."""
    pod: Json = json.loads(recorded("deletion-cost-1-pods-before"))
    name = f"s{service}-{number}"
    labels = {"app": f"s{service}", "leadtime.dev/rotation": "in", "pod-template-hash": "1"}
    pod["metadata"] |= {"name": name, "uid": name, "namespace": size.namespace(service), "labels": labels}
    pod["metadata"]["managedFields"] = padding(4)
    (container,) = pod["spec"]["containers"]
    container["env"] = [{"name": f"VLLM_SETTING_{i}", "value": "x" * 40} for i in range(30)]
    container["resources"] = {"limits": {"nvidia.com/gpu": str(size.gpus_each)}}
    container["ports"] = [{"name": "http", "containerPort": size.port, "protocol": "TCP"}]
    pod["spec"]["nodeName"], pod["status"]["podIP"] = node, "127.0.0.1"
    return pod


def node_of(number: int) -> Json:
    """A recorded node with 50 images and managed fields: some 15 kB."""
    node: Json = json.loads(recorded("node-list"))
    node["metadata"] |= {"name": f"node-{number}", "uid": f"node-{number}", "managedFields": padding(3)}
    node["metadata"].setdefault("labels", {})["nvidia.com/gpu.product"] = "NVIDIA-H100-80GB-HBM3"
    for told in ("capacity", "allocatable"):
        node["status"].setdefault(told, {})["nvidia.com/gpu"] = str(GPUS_PER_NODE)
    names = [{"names": [f"registry/image-{i}@sha256:{'0' * 64}", f"registry/image-{i}:v1"]} for i in range(50)]
    node["status"]["images"] = names
    return node


def deployment_of(size: Size, service: int) -> Json:
    """A target that says it is one."""
    name = f"s{service}"
    meta = {"name": name, "namespace": size.namespace(service), "labels": {"leadtime.dev/service": name}}
    spec = {
        "replicas": size.replicas // size.services,
        "selector": {"matchLabels": {"app": name}},
        "template": {"spec": pod_of(size, service, 0, "")["spec"]},
    }
    return {"kind": "Deployment", "metadata": meta, "spec": spec, "status": {"replicas": spec["replicas"]}}


@dataclass
class Controllers:
    """What acts in a cluster by itself; ``pods`` by workload."""

    size: Size
    server: ApiServer
    pods: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    made: int = 0
    reports: float = 0.0
    next_node: int = 0

    def fill(self) -> None:
        """Everything as it is at the start; watches begin after it."""
        for number in range(self.size.nodes):
            self.server.put("nodes", node_of(number))
        for service in range(self.size.services):
            self.server.put("deployments", deployment_of(self.size, service))
            for _ in range(self.size.replicas // self.size.services):
                self.make(service)
        self.server.history.clear()

    def make(self, service: int) -> Json:
        """A pod, bound."""
        number, self.made = self.made, self.made + 1
        self.pods[service].add(number)
        node = f"node-{number * self.size.gpus_each // GPUS_PER_NODE % self.size.nodes}"
        return self.server.put("pods", pod_of(self.size, service, number, node))

    def step(self, passed_s: float) -> None:
        """Kubelets report, Deployments follow their counts, and what is due happens."""
        self.server.clock.now_s = time.time()
        self.reports += self.size.nodes * passed_s / NODE_REPORT_S
        while self.reports >= 1:
            self.reports -= 1
            self.server.touch("nodes", f"node-{self.next_node}")
            self.next_node = (self.next_node + 1) % self.size.nodes
        for service in range(self.size.services):
            self.follow(service)
        now_s = time.monotonic()
        ready, self.due = [w for at, w in self.due if at <= now_s], [(at, w) for at, w in self.due if at > now_s]
        for happens in ready:
            happens()

    def follow(self, service: int) -> None:
        """Make what is missing, end what is too many, the cheapest first."""
        wanted = self.server.get("deployments", f"s{service}", self.size.namespace(service))["spec"]["replicas"]
        for _ in range(wanted - len(self.pods[service])):
            self.begin(service)
        for _ in range(len(self.pods[service]) - wanted):
            self.end(service)

    def begin(self, service: int) -> None:
        """Started now, ready later."""
        pod = copy.deepcopy(self.make(service))
        set_ready(pod, "False")
        self.server.put("pods", pod)

        def gets_ready() -> None:
            known = copy.deepcopy(self.server.get("pods", pod["metadata"]["name"], pod["metadata"]["namespace"]))
            set_ready(known, "True")
            self.server.put("pods", known)

        self.due.append((time.monotonic() + START_S, gets_ready))

    def end(self, service: int) -> None:
        """Told now, gone later."""
        space = self.size.namespace(service)

        def cost(number: int) -> int:
            notes = self.server.get("pods", f"s{service}-{number}", space)["metadata"].get("annotations") or {}
            return int(notes.get(COST, "0"))

        number = min(self.pods[service], key=cost)
        self.pods[service].remove(number)
        pod = self.server.get("pods", f"s{service}-{number}", space)
        self.server.terminate(pod)
        self.due.append((time.monotonic() + STOP_S, lambda: self.server.remove("pods", pod)))


def set_ready(pod: Json, status: str) -> None:
    """As its kubelet says it."""
    for condition in pod["status"]["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition |= {"status": status, "lastTransitionTime": whole(time.time()), "reason": "ContainersNotReady"}
            if status == "True":
                del condition["reason"]


def application(server: ApiServer) -> Callable[..., Awaitable[None]]:
    """The server as ASGI; paths under ``/metrics`` are engines'."""

    async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        if scope["path"] == "/metrics":
            await answer(send, httpx.Response(200, text=METRICS, headers={"Content-Type": "text/plain"}))
            return
        said: Message = {"more_body": True}
        content = b""
        while said.get("more_body"):
            said = await receive()
            if said["type"] == "http.disconnect":
                return
            content += said.get("body", b"")
        url = f"http://cluster{scope['path']}?{scope['query_string'].decode()}"
        headers = [(key.decode(), value.decode()) for key, value in scope["headers"]]
        request = httpx.Request(scope["method"], url, headers=headers, content=content)
        response = await server.handle_async_request(request)
        if request.url.params.get("watch"):
            await watch(send, response, float(request.url.params["timeoutSeconds"]))
        else:
            await answer(send, response)

    return app


async def answer(send: Any, response: httpx.Response) -> None:
    """A whole answer."""
    headers = [(b"content-type", response.headers.get("Content-Type", "application/json").encode())]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


async def watch(send: Any, response: httpx.Response, last_s: float) -> None:
    """Events until the time is over, with few bookmarks."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if response.status_code != httpx.codes.OK:
        await send({"type": "http.response.body", "body": response.content})
        return
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    marked_s = time.monotonic()
    try:
        async with asyncio.timeout(last_s):
            async for piece in pieces(response):
                if b'"BOOKMARK"' in piece[:40]:
                    if time.monotonic() - marked_s < BOOKMARK_S:
                        continue
                    marked_s = time.monotonic()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


def pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """The stream's own lines."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream.__aiter__()


async def run(size: Size) -> None:
    """Serve until killed."""
    controllers = Controllers(size, LargeServer(Jumping(time.time())))
    controllers.fill()
    objects = controllers.server.objects
    for plural in ("pods", "nodes"):
        sizes = [len(json.dumps(obj)) for key, obj in objects.items() if key[0] == plural]
        print(f"{len(sizes)} {plural} of {sum(sizes) / len(sizes) / 1000:.1f} kB", flush=True)
    config = uvicorn.Config(
        application(controllers.server), port=size.port, log_level="error", lifespan="off", access_log=False
    )
    serving = asyncio.create_task(uvicorn.Server(config).serve())
    before_s = time.monotonic()
    while not serving.done():
        await asyncio.sleep(1.0)
        now_s = time.monotonic()
        controllers.step(now_s - before_s)
        before_s = now_s


def serve(size: Size) -> None:
    """The process."""
    asyncio.run(run(size))
