"""The daemon as a process: it ends in order at a signal, with nothing to say."""

from __future__ import annotations

import contextlib
import signal
import ssl
from pathlib import Path

import pytest
import yaml

from app.access.tls import pinned
from app.cli.up import BUILT_IN
from app.daemon.main import server_of
from app.daemon.wiring import wire
from app.settings import Settings
from tests.app.processes import start, until
from tests.certificates import Authority


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(config: Path, fleet: str, number: signal.Signals) -> None:
    port = yaml.safe_load(config.read_text())["api"]["port"]
    daemon = start("daemon", "--config", str(config))
    until(f"http://127.0.0.1:{port}/readyz", daemon)
    daemon.send_signal(number)
    assert daemon.wait(10) == 0


def test_its_api_shows_the_certificate_as_it_is_now(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    files = ours.issue("api", "127.0.0.1")
    chosen = yaml.safe_load(BUILT_IN.read_text()) | {"store": {"url": f"sqlite:///{tmp_path / 'store.db'}"}}
    chosen["api"] = {"tls": {"cert_file": str(files.cert_file), "key_file": str(files.key_file)}}
    settings = Settings.model_validate(chosen)
    server = server_of(settings, wire(settings))
    server.config.load()
    assert server.config.ssl is not None
    first = pinned(files)
    handshake(server.config.ssl, first)
    ours.issue("api", "127.0.0.1")
    handshake(server.config.ssl, pinned(files))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server.config.ssl, first)


def handshake(shown: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """Between two in one process; raises what either finds wrong."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = trust.wrap_bio(back, there), shown.wrap_bio(there, back, server_side=True)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
