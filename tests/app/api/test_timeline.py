"""The timeline tells a day by its turns."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from app.api.timeline import turning
from app.daemon.parts import Daemon
from tests.app.fakes import INTERVAL_S, START_S


def test_turns_are_where_the_value_changes_and_gaps_are_none() -> None:
    times = np.arange(6.0)
    values = np.array([2.0, 2.0, np.nan, 2.0, 3.0, 3.0])
    assert turning(times, values, 10.0) == [0.0, 4.0]
    assert turning(times, values, 3.0) == [0.0]
    assert turning(times[:0], values[:0], 3.0) == []


async def test_the_timeline_holds_the_decisions_that_turned(api: httpx.AsyncClient, daemon: Daemon) -> None:
    answer = (await api.get("/api/v1/timeline")).json()
    rows = (await api.get("/api/v1/services/chat/decisions")).json()[::-1]
    wanted = [row["desired_active"] for row in rows]
    turned = [row["id"] for i, row in enumerate(rows) if i == 0 or wanted[i] != wanted[i - 1]]
    assert [turn["id"] for turn in answer["turns"]][::-1] == turned
    assert answer["left_off"] == 0
    assert all(turn["until_s"] >= turn["at_s"] for turn in answer["turns"])


async def test_the_end_may_lie_in_the_past(api: httpx.AsyncClient) -> None:
    end_s = START_S + INTERVAL_S / 2
    (turn,) = (await api.get("/api/v1/timeline", params={"service": "chat", "end": end_s})).json()["turns"]
    assert (turn["at_s"], turn["until_s"]) == (START_S, end_s)


@pytest.mark.parametrize(("params", "status"), [({"service": "nobody"}, 404), ({"start": 5, "end": 5}, 422)])
async def test_what_cannot_be_asked_is_refused(
    api: httpx.AsyncClient, params: dict[str, str | float], status: int
) -> None:
    assert (await api.get("/api/v1/timeline", params=params)).status_code == status
