"""The Prometheus source against a real server that scrapes real pages: it must see what the direct source sees."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import pytest_asyncio

import collectors.promql
from collectors.observation import Scrape
from collectors.prometheus import PrometheusSource, SourceUnavailable, range_query
from collectors.scrape import DirectSource
from collectors.source import Target
from tests.collectors.pages import FIXTURE, Pages, serving

DCGM = b'DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-1",pod="w"} 50\nDCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-1",pod="w"} 9\n'
GATEWAY = b"".join(
    b'leadtime_gateway_requests_%s{service="chat"} %d\n' % pair for pair in ((b"held", 3), (b"rejected_total", 7))
)
BINARY = shutil.which("prometheus")


@dataclass
class Rig:
    """Pages, the Prometheus that scrapes them, and the targets in both."""

    pages: Pages
    url: str
    targets: list[Target]


def job(name: str, port: int, labels: dict[str, str]) -> dict[str, object]:
    target = {"targets": [f"127.0.0.1:{port}"], "labels": labels}
    return {"job_name": name, "static_configs": [target]}


def config(pages: Pages) -> dict[str, object]:
    engines = [
        job(f"{name}-{n}", pages.port, {"leadtime_replica": name, "__metrics_path__": f"/{name}"})
        for n in range(2)
        for name in ("r.0", "r-1")
    ]
    dcgm = job("dcgm", pages.port, {"leadtime_node": "n0", "__metrics_path__": "/dcgm"})
    gateway = job("anything", pages.port, {"__metrics_path__": "/gateway"})
    timing = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    return {"global": timing, "scrape_configs": [*engines, dcgm, gateway]}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    tmp_path = tmp_path_factory.mktemp("prometheus")
    if BINARY is None:
        pytest.skip("no prometheus binary (Debian package prometheus)")
    async with serving() as pages:
        pages.bodies |= {"/r.0": FIXTURE, "/r-1": FIXTURE, "/dcgm": DCGM, "/gateway": GATEWAY}
        (tmp_path / "prometheus.yml").write_text(json.dumps(config(pages)))
        address = f"127.0.0.1:{free_port()}"
        paths = (f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data")
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            BINARY, *paths, f"--web.listen-address={address}", stdout=quiet, stderr=quiet
        )
        targets = [Target("engine", name, pages.url(f"/{name}")) for name in ("r.0", "r-1")]
        targets += [Target("dcgm", "n0", pages.url("/dcgm")), Target("gateway", "all", pages.url("/gateway"))]
        yield Rig(pages, f"http://{address}", targets)
        process.terminate()
        await process.wait()


async def until(source: PrometheusSource, targets: list[Target], replicas: int) -> Scrape:
    """Scrape until so many replicas are seen; Prometheus needs a moment to start, and to scrape."""
    scrape = Scrape(0.0, {})
    for _ in range(200):
        scrape = await source.scrape(targets, 100.0)
        if len(scrape.replicas) == replicas and scrape.gpus and scrape.gateway:
            return scrape
        await asyncio.sleep(0.2)
    raise AssertionError(f"not {replicas} replicas: {scrape.gaps}")


@pytest.mark.prometheus
@pytest.mark.asyncio(loop_scope="module")
async def test_it_sees_what_the_direct_source_sees(rig: Rig) -> None:
    direct, source = DirectSource(), PrometheusSource(rig.url)
    seen, expected = await until(source, rig.targets, 2), await direct.scrape(rig.targets, 100.0)
    assert seen.gaps == expected.gaps == ()
    for name, sample in expected.replicas.items():
        assert replace(seen.replicas[name], at_s=100.0) == sample
    assert [replace(gpu, at_s=100.0) for gpu in seen.gpus] == list(expected.gpus)
    assert replace(seen.gateway["chat"], at_s=100.0) == expected.gateway["chat"]
    await source.check()
    await asyncio.gather(direct.close(), source.close())


@pytest.mark.prometheus
@pytest.mark.asyncio(loop_scope="module")
async def test_a_vanished_target_and_a_stale_one_are_gaps(rig: Rig) -> None:
    source = PrometheusSource(rig.url)
    first = await until(source, rig.targets, 2)
    rig.pages.bodies["/r-1"] = 500
    gone = await until(source, rig.targets, 1)
    assert set(gone.replicas) == {"r.0"}
    assert [(gap.subject, gap.reason) for gap in gone.gaps] == [
        ("r-1", "Prometheus has no fresh series with leadtime_replica=r-1")
    ]
    later = gone
    for _ in range(50):
        if later.replicas["r.0"].at_s > first.replicas["r.0"].at_s:
            break
        await asyncio.sleep(0.2)
        later = await until(source, rig.targets, 1)
    assert later.replicas["r.0"].at_s > first.replicas["r.0"].at_s, "samples keep the times of their scrapes"
    stale = await PrometheusSource(rig.url, max_age_s=-1.0).scrape(rig.targets, 100.0)
    assert stale.replicas == {} and stale.gpus == ()
    assert {gap.subject for gap in stale.gaps if "stale" in gap.reason} == {"r.0", "n0", "gateway"}
    unknown = await source.scrape([Target("engine", 'x"}\\', "")], 100.0)
    assert [gap.subject for gap in unknown.gaps] == ['x"}\\'], "a strange name is no injection"


@pytest.mark.prometheus
@pytest.mark.asyncio(loop_scope="module")
async def test_ranges_in_pieces_equal_the_whole(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.pages.bodies["/r-1"] = FIXTURE
    source = PrometheusSource(rig.url, clock=lambda at_s: at_s)
    end_s = (await until(source, rig.targets, 2)).replicas["r.0"].at_s + 1.0
    asked = (rig.url, "leadtime_gateway_requests_held", end_s - 60.0, end_s, 0.5)
    whole = await asyncio.to_thread(range_query, *asked)
    monkeypatch.setattr(collectors.promql, "CHUNK_POINTS", 7)
    pieces = await asyncio.to_thread(range_query, *asked)
    assert [s.labels["service"] for s in whole] == ["chat"]
    assert np.isnan(whole[0].values[0]), "before the first scrape there is a gap"
    assert np.nanmax(whole[0].values) == 3
    np.testing.assert_array_equal(whole[0].values, pieces[0].values)


async def test_an_absent_server_is_a_gap_for_every_target_and_an_error_when_checked() -> None:
    source = PrometheusSource("http://127.0.0.1:1")
    scrape = await source.scrape([Target("engine", "a", ""), Target("gateway", "all", "")], 5.0)
    assert (scrape.replicas, scrape.at_s) == ({}, 5.0)
    assert [gap.subject for gap in scrape.gaps] == ["a", "gateway"]
    assert all("http://127.0.0.1:1 cannot be reached" in gap.reason for gap in scrape.gaps)
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:1"):
        await source.check()


async def test_a_target_nobody_reads_is_a_gap() -> None:
    scrape = await PrometheusSource("http://127.0.0.1:1").scrape([Target("engine", "a", "", "abacus")], 5.0)
    assert "abacus" in scrape.gaps[0].reason


async def test_warnings_are_gaps() -> None:
    async with serving() as pages:
        body = {"status": "success", "data": {"result": []}, "warnings": ["half of it"]}
        pages.bodies["/api/v1/query"] = json.dumps(body, separators=(",", ":")).encode()
        scrape = await PrometheusSource(pages.url("")).scrape([Target("engine", "a", "")], 5.0)
    assert ("prometheus", "warning: half of it") in [(gap.subject, gap.reason) for gap in scrape.gaps]
