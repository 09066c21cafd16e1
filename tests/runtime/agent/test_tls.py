"""Agents by HTTPS over real connections: who is trusted, under which name, and what a stranger is told."""

from __future__ import annotations

import datetime
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.tls import renewing, trusting
from app.tlssettings import TlsSettings
from runtime.agent.client import RemoteFleet, Untrusted
from runtime.agent.many import ManyAgents
from runtime.agent.server import create_agent
from runtime.fleet import PoolTarget
from runtime.replica import Replica, Transition
from tests.certificates import Authority
from tests.runtime.agent.hosted import Instant
from tests.runtime.agent.test_many import Clock, Wire
from tests.runtime.router.hosts import listening

TOKEN = "a-token-of-agents"
HERE = "127.0.0.1"
AIM = PoolTarget("chat", "chat-pool", 2)


@dataclass
class Heard:
    """Passes on, and keeps what was asked."""

    app: ASGIApp
    paths: list[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.paths.append(scope["path"])
        await self.app(scope, receive, send)


@asynccontextmanager
async def agent(files: TlsSettings, asked: list[str] | None = None) -> AsyncIterator[str]:
    app: ASGIApp = create_agent(Instant(), TOKEN)
    async with listening(Heard(app, [] if asked is None else asked), renewing(files, "tls")) as url:
        yield url


@asynccontextmanager
async def asking(url: str, trust: ssl.SSLContext, name: str = "") -> AsyncIterator[RemoteFleet]:
    client = RemoteFleet(url, TOKEN, trust=trust, name=name)
    yield client
    await client.close()


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def trust(authority: Authority) -> ssl.SSLContext:
    return trusting(authority.file, "fleet.ca_file")


async def test_what_is_ordered_by_https_is_done(ours: Authority) -> None:
    async with agent(ours.issue("a", HERE)) as url, asking(url, trust(ours)) as client:
        assert url.startswith("https:")
        await client.apply([AIM], "d1")
        assert len(await client.replicas()) == 2
        own, *_ = await client._get("/sd")
        assert own["labels"]["__scheme__"] == "https"


async def test_strangers_get_no_token_and_are_told_in_one_line(ours: Authority, tmp_path: Path) -> None:
    stranger, old = Authority(tmp_path, "stranger"), datetime.timedelta(minutes=-5)
    shown = {
        r"unable to get local issuer certificate\); fleet.ca_file must have the authority": stranger.issue("s", HERE),
        r"not valid for '127.0.0.1'\); it must name that address": ours.issue("other", "10.0.0.7"),
        r"certificate has expired on 20..-..-.. ..:.. UTC\); renew it": ours.issue("old", HERE, left=old),
    }
    for said, files in shown.items():
        asked: list[str] = []
        async with agent(files, asked) as url, asking(url, trust(ours)) as client:
            with pytest.raises(Untrusted, match=f"^{url}: its certificate is not trusted .*{said}") as error:
                await client.replicas()
        assert "\n" not in str(error.value) and asked == []


async def test_the_system_s_authorities_do_not_know_ours(ours: Authority) -> None:
    async with agent(ours.issue("a", HERE)) as url, asking(url, trusting(None, "fleet.ca_file")) as client:
        with pytest.raises(Untrusted, match="certificate is not trusted"):
            await client.replicas()


async def test_a_certificate_of_its_own_is_trusted_as_itself(ours: Authority) -> None:
    files = ours.issue("a", HERE)
    async with agent(files) as url, asking(url, trusting(files.cert_file, "fleet.ca_file")) as client:
        assert await client.replicas() == ()


async def test_the_certificate_is_for_the_name_that_is_meant_whatever_the_address(ours: Authority) -> None:
    """As of agent pods, whose addresses nobody knows beforehand."""
    async with agent(ours.issue("pods", "*.agents.llm.svc")) as url:
        async with asking(url, trust(ours), "agents-0.agents.llm.svc") as client:
            assert await client.replicas() == ()
        async with asking(url, trust(ours), "agents-0.agents.other.svc") as client:
            with pytest.raises(Untrusted, match="it must name that host"):
                await client.replicas()


async def test_plain_http_at_an_https_address_is_not_asked(ours: Authority) -> None:
    asked: list[str] = []
    async with listening(Heard(create_agent(Instant(), TOKEN), asked)) as plain:
        url = plain.replace("http:", "https:")
        async with asking(url, trust(ours)) as client:
            with pytest.raises(Untrusted, match=f"^{url}: it does not speak TLS as we do"):
                await client.replicas()
    assert asked == []


async def test_https_at_an_http_address_is_no_answer(ours: Authority) -> None:
    async with agent(ours.issue("a", HERE)) as url, asking(url.replace("https:", "http:"), trust(ours)) as client:
        with pytest.raises(httpx.TransportError):
            await client.replicas()


async def test_nobody_who_listens_is_silent_and_no_stranger(ours: Authority) -> None:
    async with asking("https://127.0.0.1:1", trust(ours)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.replicas()


class Swapped(Wire):
    """A machine at whose address a stranger answers once it is cut."""

    async def replicas(self) -> tuple[Replica, ...]:
        if self.cut:
            raise Untrusted("https://10.0.0.7:8900: its certificate is not trusted")
        return await super().replicas()


async def test_a_stranger_in_its_place_is_no_machine_that_was_lost() -> None:
    """What it carries stays where it is, as long as that lasts, and the other gets what is missing."""
    wires, clock = {"a": Swapped(host="a"), "b": Swapped(host="b")}, Clock()
    many = ManyAgents(wires, clock)
    await many.apply([AIM], "d1")
    await many.replicas()
    wires["a"].cut = True
    for decision, wanted, others in (("d2", 2, 1), ("d3", 6, 5), ("d4", 2, 1), ("d5", 0, 0)):
        clock.now_s += 120
        await many.apply([PoolTarget("chat", "chat-pool", wanted)], decision)
        assert wires["b"].targets["chat-pool"].active == others and wires["a"].told == ["d1"]
        assert [one.transition for one in await many.replicas()] == [None] * (1 + others)
    assert many.standings()["a"].trouble == "https://10.0.0.7:8900: its certificate is not trusted"
    wires["a"].cut = False
    await many.apply([AIM], "d6")
    assert wires["a"].told == ["d1", "d6"] and not any(one.trouble for one in many.standings().values())


async def test_a_pool_whose_machines_are_all_strangers_is_told_and_holds_up_no_other() -> None:
    wires, clock = {"a": Swapped(pools=("chat-pool",)), "b": Swapped(pools=("tail-pool",))}, Clock()
    many = ManyAgents(wires, clock)
    tail = PoolTarget("tail", "tail-pool", 3)
    await many.apply([AIM, tail], "d1")
    await many.replicas()
    wires["a"].cut = True
    with pytest.raises(Untrusted):
        await many.apply([AIM, replace(tail, active=4)], "d2")
    assert wires["b"].targets["tail-pool"].active == 4
    assert len(await many.replicas()) == 6
    wires["b"].cut = True
    assert len(await many.replicas()) == 6
    with pytest.raises(Untrusted):
        await many.apply([tail], "d3")


async def test_a_machine_that_was_lost_before_it_was_a_stranger_stays_lost() -> None:
    wires, clock = {"a": Swapped(), "b": Swapped()}, Clock()
    many = ManyAgents(wires, clock)
    await many.apply([AIM], "d1")
    await many.replicas()
    many._agents["a"] = Wire()
    many._agents["a"].cut = True
    for _ in range(2):
        clock.now_s += 61
        assert Transition.FAILED in {one.transition for one in await many.replicas()}
    many._agents["a"] = wires["a"]
    wires["a"].cut = True
    assert Transition.FAILED in {one.transition for one in await many.replicas()}


async def test_one_agent_whose_certificate_has_expired_holds_up_no_other(ours: Authority) -> None:
    """Over real connections: the file is renewed with one that has ended already, as of a clock that is wrong."""
    files, clock, late = ours.issue("a", HERE), Clock(), datetime.timedelta(minutes=-5)
    async with (
        agent(files) as a,
        agent(ours.issue("b", HERE)) as b,
        asking(a, trust(ours)) as first,
        asking(b, trust(ours)) as second,
    ):
        many = ManyAgents({"a": first, "b": second}, clock)
        await many.apply([AIM], "d1")
        assert len(await many.replicas()) == 2
        assert all(one.expires_s and not one.trouble for one in many.standings().values())
        ours.issue("a", HERE, left=late)
        await first._http.aclose()
        many._agents["a"] = renewed = RemoteFleet(a, TOKEN, trust=trust(ours))
        clock.now_s += 120
        await many.apply([PoolTarget("chat", "chat-pool", 6)], "d2")
        assert len(await second.replicas()) == 5 and len(await many.replicas()) == 6
        told = many.standings()["a"]
        assert re.fullmatch(f"{a}: .*has expired on 20.* UTC.; renew it", told.trouble)
        assert told.expires_s is not None and told.expires_s < time.time()
        await renewed.close()


async def test_a_certificate_that_is_renewed_is_shown_to_the_next_who_connects(ours: Authority) -> None:
    files = ours.issue("a", HERE)
    first = trusting(files.cert_file, "tls")  # this very certificate and no other
    async with agent(files) as url:
        async with asking(url, first) as client:
            assert await client.replicas() == ()
        ours.issue("a", HERE)
        async with asking(url, first) as client:
            with pytest.raises(Untrusted):
                await client.replicas()
        async with asking(url, trusting(files.cert_file, "tls")) as client:
            assert await client.replicas() == ()


async def test_one_that_is_half_written_is_not_shown(ours: Authority) -> None:
    files = ours.issue("a", HERE)
    async with agent(files) as url:
        files.key_file.write_text("half")
        async with asking(url, trust(ours)) as client:
            assert await client.replicas() == ()
