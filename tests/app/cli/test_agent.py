"""``leadtime agent``: one file for many machines, and an agent that is told to leave."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from structlog.testing import capture_logs

from app.access.tls import renewing, trusting
from app.cli.agent import certificate, encryption, exposed, leaving, placed
from app.errors import UserError
from app.manifests.agentpools import agents_of
from app.settings import Settings
from app.tlssettings import TlsSettings
from runtime.agent.server import create_agent
from runtime.fleet import PoolTarget
from tests.app.manifests.test_agentpools import GIVEN, SHARED
from tests.certificates import Authority
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

TOKEN = "a-token-of-agents"


def settings(tmp_path: Path, url: str = "http://0.0.0.0:8900") -> Settings:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    config = agents_of(SHARED, None, **GIVEN).config
    config["fleet"] |= {"token_file": str(file), "url": url}
    return Settings.model_validate(config)


def test_each_machine_says_its_own_name_and_address(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    local = placed(chosen, {"node": "shared-0", "address": "10.0.0.7"}).fleet.local
    assert local is not None and (local.node, local.address) == ("shared-0", "10.0.0.7")
    assert placed(chosen, {"node": None, "address": None}) == chosen


async def test_who_leaves_empties_the_agent_beside_it(tmp_path: Path) -> None:
    fleet = Instant(pools=("a", "b"))
    await fleet.apply([PoolTarget("of-a", "a", 2), PoolTarget("of-b", "b", 1)], "d1")
    async with listening(create_agent(fleet, TOKEN)) as url:
        await asyncio.to_thread(leaving, settings(tmp_path, url))
    assert await fleet.replicas() == ()


def test_an_agent_that_does_not_answer_has_nothing_left(tmp_path: Path) -> None:
    with capture_logs() as said:
        leaving(settings(tmp_path, "http://127.0.0.1:1"))
    assert [one["event"] for one in said] == ["the agent does not answer"]


async def test_who_leaves_and_is_not_let_in_is_one_line(tmp_path: Path) -> None:
    async with listening(create_agent(Instant(), "another-token-of-agents")) as url:
        with pytest.raises(UserError, match=r"^agent: http://\S+: it refuses our token \(401"):
            await asyncio.to_thread(leaving, settings(tmp_path, url))


def with_tls(chosen: Settings, files: TlsSettings | None) -> Settings:
    return placed(chosen, {"tls": files})


async def test_who_leaves_knows_the_agent_beside_it_by_its_certificate(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("agent", "agents.example.com")
    fleet = Instant(pools=("a", "b"))
    await fleet.apply([PoolTarget("of-a", "a", 2)], "d1")
    async with listening(create_agent(fleet, TOKEN), renewing(files, "tls")) as url:
        await asyncio.to_thread(leaving, with_tls(settings(tmp_path, url), files))
        assert await fleet.replicas() == ()
        other = Authority(tmp_path, "other").issue("stranger", "127.0.0.1")
        with pytest.raises(UserError, match=r"^agent: https://.* its certificate is not trusted"):
            await asyncio.to_thread(leaving, with_tls(settings(tmp_path, url), other))


def test_address_and_certificate_go_together_or_nobody_is_served(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("agent", "127.0.0.1")
    plain, safe = settings(tmp_path), settings(tmp_path, "https://0.0.0.0:8900")
    assert encryption(plain) is None and encryption(with_tls(safe, files)) == files
    with pytest.raises(UserError, match=r"is https and fleet\.local\.tls is missing; give --tls-cert"):
        encryption(safe)
    with pytest.raises(UserError, match="is plain HTTP and the agent has a certificate; give https:"):
        encryption(with_tls(plain, files))
    with pytest.raises(UserError, match="give --tls-cert and --tls-key together"):
        certificate(files.cert_file, None)


def test_plain_http_beyond_loopback_is_told() -> None:
    with capture_logs() as said:
        exposed("http://127.0.0.1:8900")
        exposed("http://0.0.0.0:8900")
    assert [(one["log_level"], one["url"]) for one in said] == [("warning", "http://0.0.0.0:8900")]


def test_the_command_serves_https_with_the_files_it_is_given(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours, config = Authority(tmp_path), settings(tmp_path).model_dump(mode="json", exclude_unset=True)
    files = ours.issue("agent", "127.0.0.1")
    config["fleet"] |= {"url": f"https://127.0.0.1:{port}"}
    config["fleet"]["local"] |= {"home": str(tmp_path / "home")}
    file = tmp_path / "fleet.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "app.cli.main", "agent", "--config", str(file)]
    served = subprocess.Popen([*command, "--tls-cert", str(files.cert_file), "--tls-key", str(files.key_file)])
    try:
        with httpx.Client(verify=trusting(ours.file, "ca"), headers={"Authorization": f"Bearer {TOKEN}"}) as http:
            while True:
                assert served.poll() is None
                try:
                    answer = http.get(f"https://127.0.0.1:{port}/fleet/rooms")
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
        assert answer.json() == {"a": 4, "b": 4}
    finally:
        served.terminate()
        served.wait(30)
