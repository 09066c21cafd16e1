"""Where the server listens and whom it answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest

from app.errors import UserError
from app.externalscaler.server import Tls, credentials
from tests.app.externalscaler.conftest import Generated, Served
from tests.app.processes import free_ports, start


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost that vouches for itself, and its key."""
    at = tmp_path_factory.mktemp("pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(at / "key.pem"), "-out", str(at / "cert.pem")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return at / "cert.pem", at / "key.pem"


async def test_tls(keda: Generated, api: httpx.AsyncClient, pem: tuple[Path, Path]) -> None:
    trusting = grpc.ssl_channel_credentials(pem[0].read_bytes())
    async with Served(keda, api, Tls(*pem), trusting) as scaler:
        assert (await scaler.IsActive(keda.ref(service="chat"))).result is True


async def test_with_a_client_authority_strangers_get_no_answer(
    keda: Generated, api: httpx.AsyncClient, pem: tuple[Path, Path]
) -> None:
    cert, key = (file.read_bytes() for file in pem)
    tls = Tls(*pem, client_ca=pem[0])
    async with Served(keda, api, tls, grpc.ssl_channel_credentials(cert)) as scaler:
        with pytest.raises(grpc.aio.AioRpcError):
            await scaler.IsActive(keda.ref(service="chat"))
    async with Served(keda, api, tls, grpc.ssl_channel_credentials(cert, key, cert)) as scaler:
        assert (await scaler.IsActive(keda.ref(service="chat"))).result is True


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cert\.pem: No such file or directory; give a PEM file"):
        credentials(Tls(tmp_path / "cert.pem", tmp_path / "cert.pem"))


async def test_the_command_serves_and_ends_at_a_signal(keda: Generated) -> None:
    (port,) = free_ports(1)
    process = start("external-scaler", "--port", str(port), "--api", "http://127.0.0.1:1")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = keda.stubs.ExternalScalerStub(channel)
            spec = await stub.GetMetricSpec(keda.ref(service="chat"), wait_for_ready=True, timeout=60)
            assert len(spec.metricSpecs) == 1
            with pytest.raises(grpc.aio.AioRpcError, match="no answer"):
                await stub.IsActive(keda.ref(service="chat"))
    finally:
        process.terminate()
    assert process.wait(30) == 0
