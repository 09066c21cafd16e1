"""TLS: files that cannot be used are one line, and daemons of one fleet trust their own certificate alone."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.responses import PlainTextResponse

from app.access.tls import authorities, check, pinned, renewing, sharing, trusting
from app.errors import UserError
from app.tlssettings import TlsSettings
from tests.certificates import Authority
from tests.runtime.router.hosts import listening

CLOSE = {"Connection": "close"}
"""Each question by a connection of its own."""


def pair(folder: Path, name: str, password: bytes | None = None) -> TlsSettings:
    """A self-signed certificate for another name than its address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leadtime.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    files = TlsSettings(cert_file=folder / f"{name}.crt", key_file=folder / f"{name}.key")
    files.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files.key_file.write_bytes(key.private_bytes(pem, form, lock))
    return files


def test_a_pair_is_taken(tmp_path: Path) -> None:
    check(pair(tmp_path, "a"))


def test_what_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    good, other = pair(tmp_path, "a"), pair(tmp_path, "b")
    (tmp_path / "text").write_text("hello")
    wrong = {
        r"api.tls.cert_file: .*nothing: No such file": {"cert_file": tmp_path / "nothing"},
        r"api.tls.key_file: .*: Is a directory": {"key_file": tmp_path},
        r"give a PEM certificate and its own key": {"key_file": other.key_file},
        r"a PEM certificate and its own": {"cert_file": tmp_path / "text"},
        r"unencrypted": {"key_file": pair(tmp_path, "c", b"pass").key_file},
    }
    for said, change in wrong.items():
        with pytest.raises(UserError, match=said) as error:
            check(good.model_copy(update=change))
        assert "\n" not in str(error.value) and "PRIVATE" not in str(error.value)


@pytest.fixture
async def https(tmp_path: Path) -> AsyncIterator[tuple[str, TlsSettings]]:
    """A server with a certificate, and its files."""
    files = pair(tmp_path, "server")
    options = {"ssl_certfile": files.cert_file, "ssl_keyfile": files.key_file, "log_level": "error"}
    server = uvicorn.Server(uvicorn.Config(PlainTextResponse("ok"), port=0, lifespan="off", **options))  # type: ignore[arg-type]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"https://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", files
    server.should_exit = True
    await serving


async def test_our_own_certificate_is_trusted_and_no_other(https: tuple[str, TlsSettings], tmp_path: Path) -> None:
    url, files = https
    async with httpx.AsyncClient(verify=pinned(files), trust_env=False) as http:
        assert (await http.get(url)).text == "ok"
    for trust in (True, pinned(pair(tmp_path, "other"))):
        async with httpx.AsyncClient(verify=trust, trust_env=False) as http:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await http.get(url)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_old_protocols_are_refused(https: tuple[str, TlsSettings]) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with httpx.AsyncClient(verify=old, trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(https[0])


async def test_daemons_of_one_fleet_know_each_other_by_the_certificate_as_it_is_now(tmp_path: Path) -> None:
    """Who asks after the files were renewed is shown the new certificate and believes it and no longer the old one."""
    ours = Authority(tmp_path)
    files = ours.issue("api", "leadtime.example.com")
    once = pinned(files)
    async with listening(PlainTextResponse("ok"), renewing(files, "api.tls")) as url:
        async with httpx.AsyncClient(verify=sharing(files), trust_env=False, headers=CLOSE) as http:
            assert (await http.get(url)).text == "ok"
            ours.issue("api", "leadtime.example.com")
            assert (await http.get(url)).text == "ok"
        async with httpx.AsyncClient(verify=once, trust_env=False) as http:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await http.get(url)


async def test_authorities_count_as_they_are_in_the_file_and_one_that_was_taken_out_counts_no_more(
    tmp_path: Path,
) -> None:
    old, new, file = Authority(tmp_path, "old"), Authority(tmp_path, "new"), tmp_path / "ca.crt"
    file.write_bytes(old.file.read_bytes())
    files = old.issue("agent", "127.0.0.1")
    trust = authorities(file, "fleet.ca_file")
    async with (
        listening(PlainTextResponse("ok"), renewing(files, "tls")) as url,
        httpx.AsyncClient(verify=trust, trust_env=False, headers=CLOSE) as http,
    ):
        assert (await http.get(url)).text == "ok"
        new.issue("agent", "127.0.0.1")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await http.get(url)
        file.write_bytes(new.file.read_bytes())
        assert (await http.get(url)).text == "ok"
        file.write_text("half")  # told in the log; what was read before stays in force
        assert (await http.get(url)).text == "ok"
        old.issue("agent", "127.0.0.1")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await http.get(url)


def test_without_a_file_the_system_s_authorities_count() -> None:
    assert authorities(None, "fleet.ca_file").verify_mode is ssl.CERT_REQUIRED


def test_the_line_names_the_listener_s_own_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^fleet\.local\.tls\.cert_file: .*nothing: No such file"):
        check(pair(tmp_path, "a").model_copy(update={"cert_file": tmp_path / "nothing"}), "fleet.local.tls")


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("hello", "give PEM certificates")])
def test_authorities_that_cannot_be_read_are_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "ca.crt"
    if content:
        file.write_text(content)
    with pytest.raises(UserError, match=f"^fleet.ca_file: .*{said}") as error:
        trusting(file, "fleet.ca_file")
    assert "\n" not in str(error.value)
