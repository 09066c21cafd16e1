"""The direct source against a real server on loopback, well-behaved and not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from collectors.scrape import DirectSource
from collectors.source import Target
from tests.collectors.pages import FIXTURE, Pages, serving


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving() as pages:
        yield pages


@pytest.fixture
async def source() -> AsyncIterator[DirectSource]:
    source = DirectSource(timeout_s=0.5, concurrency=4)
    yield source
    await source.close()


async def reason(source: DirectSource, url: str) -> str:
    scrape = await source.scrape([Target("engine", "r", url)], 1.0)
    assert scrape.replicas == {}
    assert [gap.subject for gap in scrape.gaps] == ["r"]
    return scrape.gaps[0].reason


async def test_all_kinds_of_targets(source: DirectSource, pages: Pages) -> None:
    pages.bodies["/metrics"] = FIXTURE
    pages.bodies["/dcgm"] = b'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1"} 40\n'
    held = b'leadtime_gateway_requests_held{service="chat"} 3\n'
    pages.bodies["/gateway"] = held + b'leadtime_gateway_requests_rejected_total{service="chat"} 1\n'
    kinds = {"engine": "/metrics", "dcgm": "/dcgm", "gateway": "/gateway"}
    targets = [Target(kind, f"the-{kind}", pages.url(path)) for kind, path in kinds.items()]
    scrape = await source.scrape(targets, 5.0)
    assert (scrape.at_s, scrape.gaps) == (5.0, ())
    assert scrape.replicas["the-engine"].completed == 101
    assert (scrape.gpus[0].node, scrape.gpus[0].util_ratio) == ("the-dcgm", 0.4)
    assert (scrape.gateway["chat"].held, scrape.gateway["chat"].rejected) == (3, 1)


async def test_a_missing_page(source: DirectSource, pages: Pages) -> None:
    assert "HTTP status 404" in await reason(source, pages.url("/nowhere"))


async def test_a_server_error(source: DirectSource, pages: Pages) -> None:
    pages.bodies["/metrics"] = 500
    assert "HTTP status 500" in await reason(source, pages.url("/metrics"))


async def test_garbage(source: DirectSource, pages: Pages) -> None:
    pages.bodies["/metrics"] = b"\xff\xfe<html>\x00"
    assert "no vllm metric" in await reason(source, pages.url("/metrics"))


async def test_a_body_that_ends_early(source: DirectSource, pages: Pages) -> None:
    pages.bodies["/cut/metrics"] = FIXTURE
    assert "peer closed connection" in await reason(source, pages.url("/cut/metrics"))


async def test_a_server_that_hangs(source: DirectSource, pages: Pages) -> None:
    pages.bodies["/metrics"] = None
    assert "no answer within 0.5 s" in await reason(source, pages.url("/metrics"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/metrics", "nonsense", "http://[", "ftp://127.0.0.1/x"])
async def test_an_address_where_nobody_is(source: DirectSource, url: str) -> None:
    assert url in await reason(source, url)


async def test_an_engine_nobody_knows(source: DirectSource) -> None:
    scrape = await source.scrape([Target("engine", "r", "http://127.0.0.1:1", "abacus")], 1.0)
    assert "abacus" in scrape.gaps[0].reason


async def test_failures_leave_the_others_alone(source: DirectSource, pages: Pages) -> None:
    pages.bodies |= {"/good": FIXTURE, "/hang": None}
    names = [f"{kind}{n}" for n in range(8) for kind in ("good", "hang")]
    scrape = await source.scrape([Target("engine", n, pages.url(f"/{n[:4]}")) for n in names], 1.0)
    assert list(scrape.replicas) == [name for name in names if name.startswith("good")]
    assert [gap.subject for gap in scrape.gaps] == [name for name in names if name.startswith("hang")]


async def test_connections_are_bounded_and_kept(source: DirectSource, pages: Pages) -> None:
    pages.bodies["/metrics"] = FIXTURE
    targets = [Target("engine", f"r{n}", pages.url("/metrics")) for n in range(20)]
    for at_s in range(3):
        assert len((await source.scrape(targets, float(at_s))).replicas) == 20
    assert pages.connections <= 4


async def test_a_page_without_end_is_refused(
    source: DirectSource, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.scrape.MAX_PAGE_BYTES", 10_000)
    pages.bodies["/metrics"] = FIXTURE
    assert "larger than" in await reason(source, pages.url("/metrics"))


async def test_scrapes_may_overlap(source: DirectSource, pages: Pages) -> None:
    pages.bodies["/metrics"] = FIXTURE
    targets = [Target("engine", f"r{n}", pages.url("/metrics")) for n in range(8)]
    scrapes = await asyncio.gather(*(source.scrape(targets, float(n)) for n in range(4)))
    assert [len(scrape.replicas) for scrape in scrapes] == [8, 8, 8, 8]
