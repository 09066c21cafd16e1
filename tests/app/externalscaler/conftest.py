"""KEDA's side by generated code, our server, and the daemon's real API, each talking to the next."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from grpc_tools import protoc

from app.daemon.parts import Daemon
from app.externalscaler import wire
from app.externalscaler.calls import Pace
from app.externalscaler.desired import Asked
from app.externalscaler.server import Tls, create_server, listen
from autoscaler.decision import Plan
from runtime.clock import WallClock
from tests.app.api.conftest import app_of

PROTO = Path(wire.__file__).parent / "externalscaler.proto"
API = "http://api"


@dataclass(frozen=True, slots=True)
class Generated:
    """What grpcio-tools makes of the .proto, as a Go or Java KEDA has it."""

    messages: Any
    stubs: Any

    def ref(self, **metadata: str) -> Any:
        return self.messages.ScaledObjectRef(name="chat", namespace="llm", scalerMetadata=metadata)

    def metrics(self, metric: str = "leadtime-desired-replicas", **metadata: str) -> Any:
        return self.messages.GetMetricsRequest(scaledObjectRef=self.ref(**metadata), metricName=metric)


@pytest.fixture(scope="session")
def keda(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    out = tmp_path_factory.mktemp("generated")
    flags = [f"--proto_path={PROTO.parent}", f"--python_out={out}", f"--grpc_python_out={out}", PROTO.name]
    assert protoc.main(["protoc", *flags]) == 0
    sys.path.insert(0, str(out))
    try:
        return Generated(
            importlib.import_module("externalscaler_pb2"), importlib.import_module("externalscaler_pb2_grpc")
        )
    finally:
        sys.path.remove(str(out))


@pytest.fixture
def decide(daemon: Daemon) -> Callable[[int], None]:
    """Have the daemon want so many active replicas."""

    def to(active: int) -> None:
        known = daemon.memory.services["chat"]
        assert known.decision is not None
        (target,) = known.decision.plan.targets
        known.decision = replace(known.decision, plan=Plan((replace(target, active=active),)))

    return to


@pytest.fixture
async def api(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    """The scaler's client, which comes to the daemon's API."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(daemon))) as client:
        yield client


class Served:
    """A server of ours on a port of its own, with KEDA's stub of it."""

    def __init__(self, keda: Generated, client: httpx.AsyncClient, tls: Tls | None = None, secret: Any = None) -> None:
        self.server = create_server(Asked(API, client), WallClock(), Pace(0.01, 0.01))
        port = listen(self.server, "localhost:0", tls)
        where = f"localhost:{port}"
        self.channel = grpc.aio.secure_channel(where, secret) if secret else grpc.aio.insecure_channel(where)
        self.stub = keda.stubs.ExternalScalerStub(self.channel)

    async def __aenter__(self) -> Any:
        await self.server.start()
        return self.stub

    async def __aexit__(self, *error: object) -> None:
        await self.channel.close()
        await self.server.stop(None)


@pytest.fixture
async def scaler(keda: Generated, api: httpx.AsyncClient) -> AsyncIterator[Any]:
    async with Served(keda, api) as stub:
        yield stub
