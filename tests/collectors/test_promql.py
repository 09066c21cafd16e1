"""What can be wrong with a Prometheus server, each as one clear exception."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from collectors.promql import Prometheus, SourceUnavailable, range_query
from tests.collectors.pages import Pages, serving

QUERY = "/api/v1/query"
RANGE = "/api/v1/query_range"


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving() as pages:
        yield pages


def answer(result: list[Any], **more: Any) -> bytes:
    body = {"status": "success", "data": {"resultType": "vector", "result": result}} | more
    return json.dumps(body, separators=(",", ":")).encode()


async def ask(pages: Pages) -> list[tuple[dict[str, str], float, float]]:
    return await asyncio.to_thread(Prometheus(pages.url(""), timeout_s=0.5).instant, "up")


async def test_an_instant_vector(pages: Pages) -> None:
    pages.bodies[QUERY] = answer([{"metric": {"a": "b"}, "value": [7.5, "NaN"]}])
    ((labels, at_s, value),) = await ask(pages)
    assert (labels, at_s) == ({"a": "b"}, 7.5)
    assert np.isnan(value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (404, "refused the query"),
        (503, "refused the query"),
        (None, "did not answer in time"),
        (b"<html>hello</html>", "not as Prometheus does"),
        (b"{}", "not as Prometheus does"),
        (b"[]", "not as Prometheus does"),
        (b'{"data":{"result":[{"metric":{}}]}}', "not as Prometheus does"),
    ],
)
async def test_a_bad_answer_names_the_address(pages: Pages, body: bytes | int | None, reason: str) -> None:
    pages.bodies[QUERY] = body
    with pytest.raises(SourceUnavailable, match=reason) as caught:
        await ask(pages)
    assert pages.url("") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"), [("http://127.0.0.1:1", "cannot be reached"), ("nonsense", "is no address")]
)
def test_a_wrong_address_is_named(url: str, reason: str) -> None:
    with pytest.raises(SourceUnavailable, match=f"{url} {reason}"):
        Prometheus(url).instant("up")


async def test_warnings_are_kept_until_asked_for(pages: Pages) -> None:
    pages.bodies[QUERY] = answer([], warnings=["partial response", "another"])
    prometheus = Prometheus(pages.url(""))
    await asyncio.to_thread(prometheus.instant, "up")
    assert prometheus.warnings() == ("partial response", "another")
    assert prometheus.warnings() == ()


async def test_a_range_is_one_even_grid_with_its_gaps(pages: Pages) -> None:
    values = [[10, "1"], [20, "2"], [20, "2"], [40, "4"]]
    pages.bodies[RANGE] = answer([{"metric": {"a": "b"}, "values": values}])
    (series,) = await asyncio.to_thread(range_query, pages.url(""), "up", 5.0, 54.0, 10.0)
    assert series.labels == {"a": "b"}
    assert series.times.tolist() == [10, 20, 30, 40, 50]
    assert np.nan_to_num(series.values, nan=-1).tolist() == [1, 2, -1, 4, -1]


async def test_native_histograms_are_no_points(pages: Pages) -> None:
    pages.bodies[RANGE] = answer([{"metric": {}, "histograms": [[10, {"count": "3"}]]}])
    (series,) = await asyncio.to_thread(range_query, pages.url(""), "up", 10.0, 20.0, 10.0)
    assert np.isnan(series.values).all()


async def test_an_empty_range_is_no_series(pages: Pages) -> None:
    pages.bodies[RANGE] = answer([])
    assert await asyncio.to_thread(range_query, pages.url(""), "up", 0.0, 10.0, 5.0) == ()
