"""What the doctor says of agents and certificates, over real connections."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.access.tls import renewing, trusting
from app.cli.doctor import agents, asked, certificate, unrouted
from app.cli.up import BUILT_IN
from app.fleetsettings import FleetSettings
from app.settings import SourceSettings, load
from app.tlssettings import TlsSettings
from autoscaler.policy import Routing
from runtime.agent.client import RemoteFleet
from runtime.agent.server import create_agent
from tests.certificates import Authority
from tests.runtime.agent.hosted import Instant
from tests.runtime.router.hosts import listening

TOKEN = "a-token-of-agents"
DAY_S = 86400.0
MONTH = datetime.timedelta(days=30)


async def told(ours: Authority, files: TlsSettings, in_days: float = 0.0, token: str = TOKEN) -> tuple[str, str]:
    """Status and detail, as of the day the certificate of a month has so many days less."""
    async with listening(create_agent(Instant(), TOKEN), renewing(files, "tls")) as url:
        agent = RemoteFleet(url, token, trust=trusting(ours.file, "fleet.ca_file"))
        now_s = datetime.datetime.now(datetime.UTC).timestamp() + in_days * DAY_S
        check = await asked("agent gpu-1", agent, now_s)
        return check.status, check.detail.removeprefix(url)


async def test_an_agent_is_told_with_the_days_its_certificate_has_left(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    files = ours.issue("a", "127.0.0.1", left=MONTH)
    status, detail = await told(ours, files)
    assert status == "ok" and detail.startswith(": 0 replicas; its certificate ends on") and "in 30 days" in detail
    status, detail = await told(ours, files, in_days=20)
    assert status == "warn" and detail.endswith("in 10 days; renew it")


async def test_an_agent_that_is_not_trusted_or_refuses_fails_and_one_that_is_silent_does_not(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    status, detail = await told(ours, ours.issue("old", "127.0.0.1", left=-MONTH / 1000))
    assert status == "fail" and "certificate has expired on" in detail
    status, detail = await told(ours, ours.issue("a", "127.0.0.1"), token="another-token-altogether")
    assert status == "fail" and "it refuses our token (401, the token is not right); " in detail
    silent = await asked("agent", RemoteFleet("http://127.0.0.1:1"), 0.0)
    assert silent.status == "warn" and silent.detail.endswith("is it running?")


def test_each_agent_of_the_file_is_asked_or_else_that_of_this_machine(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("a", "127.0.0.1")
    (tmp_path / "token").write_text(TOKEN)
    settings = load(BUILT_IN)
    several = {"kind": "local", "agents": {"gpu-1": "http://127.0.0.1:1", "gpu-2": "http://127.0.0.1:2"}}
    here = {"slots": [{"cores": ["any"]}], "tls": files.model_dump()}
    own = {"kind": "local", "url": "https://0.0.0.0:1", "token_file": tmp_path / "token", "local": here}
    for given, said in (
        (several, {"agent gpu-1": "http://127.0.0.1:1", "agent gpu-2": "http://127.0.0.1:2"}),
        (own, {"agent": "https://127.0.0.1:1"}),
    ):
        found = list(agents(settings.model_copy(update={"fleet": FleetSettings.model_validate(given)})))
        assert {check.name: check.detail.split(": no answer")[0] for check in found} == said


def test_the_api_s_certificate_is_read_from_its_file(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("api", "127.0.0.1", left=MONTH)
    assert certificate(files.cert_file).status == "ok"
    assert certificate(tmp_path / "nothing").detail.startswith("api.tls.cert_file: ")


@pytest.mark.parametrize(("series", "silent"), [([], False), ([{"metric": {}, "value": [0, "2"]}], True)])
async def test_a_router_is_seen_by_its_metrics_or_told_by_the_file(series: list[object], silent: bool) -> None:
    settings = load(BUILT_IN)
    planned = dict.fromkeys(settings.service_names(), Routing.BY_LOAD)

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse({"status": "success", "data": {"resultType": "vector", "result": series}})

    def found(**source: str) -> frozenset[str]:
        changed = {"source": SourceSettings.model_validate(source)}
        return unrouted(settings.model_copy(update=changed), planned)

    async with listening(Starlette(routes=[Route("/api/v1/query", answer)])) as url:
        seen = await asyncio.to_thread(found, kind="prometheus", url=url)
        assert seen == (set() if silent else {"chat", "code", "summarize"})
    assert found(kind="prometheus", url="http://127.0.0.1:1") == set()
    assert found(gateway_url="http://127.0.0.1:8700/metrics") == set() and "chat" in found()
