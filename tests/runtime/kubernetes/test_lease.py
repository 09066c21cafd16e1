"""Leases as recorded, and two daemons at one server."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from runtime.kubernetes.client import NotLeading
from runtime.kubernetes.election import Terms, record
from runtime.kubernetes.errors import Conflict, Invalid, Refused
from runtime.kubernetes.lease import Lease, LostLease
from runtime.kubernetes.resource import DEPLOYMENTS, LEASES
from runtime.kubernetes.times import seconds
from tests.runtime.kubernetes.apiserver import ApiServer
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.recordings import Replay, api, body, recording

SHORT = Terms(duration_s=5, deadline_s=2, retry_s=1, flight_s=2, spare_s=1)
LEASE = LEASES.at("llm", "leadtime")


def lease_of(server: httpx.AsyncBaseTransport, clock: Jumping, identity: str) -> Lease:
    async def sleep(wait_s: float) -> None:
        await clock.sleep_until(clock.now_s + wait_s)

    return Lease(api(server, clock), "llm", "leadtime", identity, sleep, SHORT, lambda: clock.now_s)


def at(name: str) -> float:
    return seconds(recording(name)["request"]["body"]["spec"]["renewTime"])


async def test_the_recorded_lease_is_made_renewed_and_lost() -> None:
    told = ("lease-get-not-found", "lease-create", "lease-renew", "lease-renew-after-loss", "lease-get-not-found")
    replay = Replay(*told, exact=False)
    clock = Jumping(at("lease-create"))
    mine = lease_of(replay, clock, "daemon-a")
    await mine.acquire()
    assert mine.leads()
    with pytest.raises(LostLease, match="llm/leadtime: held by nobody"):
        await mine.keep()


async def test_what_is_written_is_what_was_recorded() -> None:
    """Create, take over with one transition more, release with an empty holder and one second."""
    replay, clock = Replay("lease-get-not-found", "lease-create"), Jumping(at("lease-create"))
    await lease_of(replay, clock, "daemon-a").acquire()
    taken = Replay("lease-get-expired", "lease-takeover", "lease-release", exact=False)
    clock = Jumping(at("lease-takeover") - 5)
    mine = lease_of(taken, clock, "daemon-b")
    await mine._try()
    clock.now_s += 5
    await mine._try()
    await mine.release()
    written = [request for request in taken.seen if request.method == "PUT"]
    told = [httpx.Response(200, content=request.content).json() for request in written]
    assert told[0]["spec"] == recording("lease-takeover")["request"]["body"]["spec"]
    assert told[0]["metadata"] == recording("lease-takeover")["request"]["body"]["metadata"]
    released = told[1]["spec"]
    assert (released["holderIdentity"], released["leaseDurationSeconds"]) == ("", 1)
    assert not mine.leads()


def test_a_recorded_release_is_free() -> None:
    assert record(body("lease-release")).holder == ""


@pytest.mark.parametrize("name", ["lease-renew-time-without-fraction", "lease-renew-time-milliseconds"])
async def test_a_time_without_six_digits_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        await api(Replay(name, exact=False)).claim(LEASE, {})


async def test_a_renewal_needs_a_version_and_the_right_one() -> None:
    client = api(Replay("lease-renew-without-resource-version", "lease-renew-stale", exact=False))
    with pytest.raises(Invalid):
        await client.claim(LEASE, {})
    with pytest.raises(Conflict):
        await client.claim(LEASE, {})


async def test_two_daemons_one_leads_the_other_takes_over_when_it_is_silent() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    first, second = lease_of(server, clock, "a"), lease_of(server, clock, "b")
    await first.acquire()
    await second._try()
    assert first.leads() and not second.leads() and second.holder == "a"
    silent_s = clock.now_s
    await second.acquire()
    waited_s = clock.now_s - silent_s
    assert second.leads() and not first.leads() and SHORT.deadline_s + SHORT.flight_s <= waited_s <= SHORT.duration_s
    with pytest.raises(LostLease):
        await first.keep()
    assert server.get("leases", "leadtime")["spec"]["leaseTransitions"] == 1


async def test_who_was_refused_looks_at_once_who_was_quicker() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    first, second = lease_of(server, clock, "a"), lease_of(server, clock, "b")
    await second._read()
    await first.acquire()
    await second._try()
    assert second.holder == "a" and not second.leads()


async def test_a_clean_end_hands_over_at_once() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    first, second = lease_of(server, clock, "a"), lease_of(server, clock, "b")
    await first.acquire()
    await second._try()
    await first.release()
    began_s = clock.now_s
    await second.acquire()
    assert clock.now_s - began_s <= SHORT.retry_s


async def test_a_leader_whose_server_is_away_stops_by_itself() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    mine = lease_of(server, clock, "a")
    await mine.acquire()
    server.faults.append(lambda request: httpx.ConnectError("refused"))
    began_s = clock.now_s
    with pytest.raises(LostLease):
        await mine.keep()
    assert clock.now_s - began_s <= SHORT.deadline_s + SHORT.retry_s


async def test_the_fence_stops_writes_the_moment_the_lead_is_over() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    mine = lease_of(server, clock, "a")
    await mine.acquire()
    client = api(server, clock, may_write=mine.leads)
    meta = {"name": "chat", "namespace": "llm"}
    server.put("deployments", {"metadata": meta, "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}})
    scale = DEPLOYMENTS.at("llm", "chat", "scale")
    await client.merge(scale, {"spec": {"replicas": 2}})
    clock.now_s += SHORT.deadline_s
    with pytest.raises(NotLeading):
        await client.merge(scale, {"spec": {"replicas": 3}})
    await asyncio.sleep(0)
    assert server.get("deployments", "chat")["spec"]["replicas"] == 2
