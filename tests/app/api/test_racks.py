"""Racks over the API, in the metrics and on the command line: what is held, and why."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.api.racks import rack_row
from app.daemon.memory import RackMemory
from app.metrics import page
from tests.app.api.conftest import app_of
from tests.app.daemon.test_racks import GENTLE, RACK, START_S, Site


async def test_a_rack_is_told_with_its_sentence(tmp_path: Path) -> None:
    site = Site(tmp_path)
    daemon = await site.start()
    await site.ticks(daemon, 60)
    transport = httpx.ASGITransport(app_of(daemon))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        (row,) = (await client.get("/api/v1/racks")).json()
        spent = (await client.get("/api/v1/fleet")).json()["usd_per_hour"]
    assert (row["rack"], row["services"], row["acts"]) == ("shared", ["chat", "code"], True)
    assert row["held"] == row["used"] + row["lent"] == RACK.gpus
    assert f"(P{row['tau'] * 100:.0f})" in row["sentence"]
    assert spent == pytest.approx(row["used"] * 2.5 + row["idle_usd_per_hour"])
    lines = page(daemon.memory, site.now_s).decode().splitlines()
    for state in ("held", "used", "lent", "ordered", "wanted"):
        assert f'leadtime_rack_gpus{{rack="shared",state="{state}"}} {float(row[state])}' in lines


async def test_without_racks_there_is_none(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/racks")).json() == []
    assert "leadtime_rack" not in (await api.get("/metrics")).text


def test_before_the_first_look_nothing_is_known() -> None:
    row = rack_row(RackMemory(RACK, GENTLE, ("chat",), None, START_S))
    assert (row.held, row.lent, row.wanted, row.sentence, row.idle_usd_per_hour) == (None,) * 5
