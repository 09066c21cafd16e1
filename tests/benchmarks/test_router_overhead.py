"""The stand-in engine and the client speak to each other, and what is measured is what passed."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from benchmarks.router_overhead import Measured, cells
from benchmarks.standin import Client, Seen, request, serve


@pytest.mark.parametrize("streamed", [False, True])
async def test_engine_and_client_understand_each_other(streamed: bool) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serving = asyncio.create_task(serve([port], tokens=3, gap_s=0.02))
    await asyncio.sleep(0.1)
    client = Client(port, request(streamed, port, 600))
    await client.all([0.0, 0.0, 0.01, 0.2])
    client.close()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    assert [seen.status for seen in client.seen] == [200] * 4
    assert all(seen.last_s >= 0.05 for seen in client.seen)
    assert streamed == all(seen.first_s < seen.last_s - 0.01 for seen in client.seen)


def test_what_is_added_is_the_difference_of_quantiles() -> None:
    direct = Measured([Seen(0.1, 0.2, 200)] * 10, 1.0, 0.0, 0.0)
    routed = Measured([Seen(0.101, 0.203, 200)] * 9 + [Seen(0.0, 0.1, 0)], 2.0, 0.0015, 100.0)
    assert cells(routed, direct) == ["+1.0", "+1.0", "+3.0", "+3.0", "1.50", "5", "1"]
