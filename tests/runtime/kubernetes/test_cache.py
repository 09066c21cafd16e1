"""The cache against recorded watches and a server that breaks, forgets, refuses and pages."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from runtime.kubernetes.cache import Cache, Pace, whole
from runtime.kubernetes.errors import Gone
from runtime.kubernetes.resource import DEPLOYMENTS, PODS, SCALED_OBJECTS
from tests.runtime.kubernetes.apiserver import ApiServer
from tests.runtime.kubernetes.clocks import Jumping
from tests.runtime.kubernetes.recordings import Replay, api, recording

PODS_HERE = PODS.at("llm")


def cache_of(server: httpx.AsyncBaseTransport, clock: Jumping | None = None, **changes: Any) -> Cache:
    told = {"place": PODS_HERE, "rng": random.Random(1), **changes}
    return Cache(api(server, clock), **told)


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "llm", "labels": labels}, "spec": {}, "status": {}}


async def settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(cache: Cache) -> AsyncIterator[None]:
    task = asyncio.create_task(cache.run())
    try:
        await settle()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(cache: Cache) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in cache.objects.values())


async def test_it_follows_what_comes_changes_and_goes() -> None:
    server = ApiServer(Jumping())
    server.put("pods", pod("a"))
    cache = cache_of(server)
    async with running(cache):
        assert names(cache) == ["a"]
        server.put("pods", pod("b"))
        server.remove("pods", server.get("pods", "a"))
        await settle()
        assert (names(cache), cache.lists, cache.version) == (["b"], 1, server.version)


async def test_a_broken_watch_resumes_without_a_list() -> None:
    server = ApiServer(Jumping())
    cache = cache_of(server)
    async with running(cache):
        server.cut()
        server.put("pods", pod("b"))
        await settle()
        assert (names(cache), cache.lists, cache.problem) == (["b"], 1, "")


async def test_watches_that_break_again_and_again_are_resumed_as_soon_each_time() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    cache, began_s = cache_of(server, clock), clock.now_s
    async with running(cache):
        for _ in range(20):
            server.cut()
            await settle()
        assert clock.now_s - began_s <= 20 * 0.5


async def test_a_forgotten_version_is_listed_again() -> None:
    server = ApiServer(Jumping())
    server.put("pods", pod("a"))
    cache = cache_of(server)
    async with running(cache):
        server.remove("pods", server.get("pods", "a"))
        server.put("pods", pod("b"))
        server.forget()
        server.cut()
        await settle()
        assert (names(cache), cache.lists) == (["b"], 2)


@pytest.mark.parametrize("name", ["watch-gone", "watch-gone-recent"])
async def test_the_recorded_expiry_within_a_watch_is_gone(name: str) -> None:
    cache = cache_of(Replay(name, exact=False), place=DEPLOYMENTS.at("llm"))
    with pytest.raises(Gone):
        await cache._watch()


async def test_the_recorded_life_of_a_pod() -> None:
    cache = cache_of(Replay("watch-pods", exact=False))
    seen = []
    for event in recording("watch-pods")["response"]["events"]:
        cache._apply(event)
        seen.append(len(cache.objects))
    assert (seen, cache.version) == ([1] * 8 + [0], 435)


async def test_the_recorded_bookmarks_carry_a_version_and_no_object() -> None:
    for name, objects in (("watch-bookmark", 0), ("watch-initial-events", 1)):
        cache = cache_of(Replay(name, exact=False), place=DEPLOYMENTS.at("llm"))
        await cache._watch()
        assert len(cache.objects) == objects
        assert cache.version == {"watch-bookmark": 841, "watch-initial-events": 846}[name]


async def test_an_object_that_leaves_the_selector_leaves_the_cache() -> None:
    cache = cache_of(Replay("watch-pods-leaving-selector", exact=False), labels="leadtime.dev/tier=standby")
    await cache._watch()
    assert cache.objects == {}
    server = ApiServer(Jumping())
    server.put("pods", pod("a", tier="standby"))
    cache = cache_of(server, labels="tier=standby")
    async with running(cache):
        assert names(cache) == ["a"]
        server.put(
            "pods", {**server.get("pods", "a"), "metadata": {**server.get("pods", "a")["metadata"], "labels": {}}}
        )
        await settle()
        assert names(cache) == []


async def test_pages_become_one_list_as_recorded() -> None:
    cache = cache_of(Replay("deployment-list-page-1", "deployment-list-page-2"), place=DEPLOYMENTS.at("llm"))
    cache.pace = Pace(page=2)
    await cache._list()
    assert (len(cache.objects), cache.version) == (3, 421)


async def test_a_list_that_expires_between_pages_begins_again_and_keeps_the_old_picture_meanwhile() -> None:
    replay = Replay("deployment-list-page-1", "list-continue-expired", "deployment-list", exact=False)
    cache = cache_of(replay, place=DEPLOYMENTS.at("llm"))
    await cache._list()
    assert len(cache.objects) == 3 and "continue" not in replay.seen[-1].url.params


async def test_an_empty_namespace_and_one_that_is_not_there_are_empty() -> None:
    for name in ("deployment-list-empty", "deployment-list-missing-namespace"):
        cache = cache_of(
            Replay(name, exact=False), place=DEPLOYMENTS.at(recording(name)["request"]["path"].split("/")[5])
        )
        await cache._list()
        assert cache.objects == {} and cache.synced_s is not None


async def test_a_resource_that_is_not_served_is_empty_where_that_may_be() -> None:
    server, clock = ApiServer(Jumping()), Jumping()
    optional = cache_of(server, clock, place=SCALED_OBJECTS.at("llm"), optional=True)
    async with running(optional):
        assert optional.synced_s is not None and optional.objects == {}
    needed = cache_of(server, clock, place=SCALED_OBJECTS.at("llm"))
    async with running(needed):
        assert needed.synced_s is None and "404" in needed.problem


async def test_a_missing_right_is_told_and_tried_seldom() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    refusal = httpx.Response(403, json={"reason": "Forbidden", "message": "cannot list resource pods"})
    server.fail(3, lambda request: refusal)
    server.put("pods", pod("a"))
    cache, began_s = cache_of(server, clock), clock.now_s
    async with running(cache):
        assert names(cache) == ["a"] and cache.problem == ""
        assert clock.now_s - began_s >= 3 * 15


async def test_the_picture_ages_while_the_server_is_away() -> None:
    clock = Jumping()
    server = ApiServer(clock)
    cache = cache_of(server, clock)
    async with running(cache):
        synced_s = cache.synced_s
        server.faults.append(lambda request: httpx.ConnectError("refused"))
        server.cut()
        await settle()
        assert cache.synced_s == synced_s and clock.now_s > synced_s + 30 and "ConnectError" in cache.problem


async def test_a_server_that_only_keeps_silent_is_asked_for_a_list_again() -> None:
    told = ("deployment-list", "watch-from-the-future", "deployment-list-empty", "watch-from-the-future")
    cache = cache_of(Replay(*told, exact=False), place=DEPLOYMENTS.at("llm"), pace=Pace(relist_s=0))
    with pytest.raises(AssertionError, match="nothing recorded"):
        await cache.run()
    assert (cache.lists, cache.objects) == (2, {})


async def test_a_write_is_known_at_once_and_older_news_does_not_undo_it() -> None:
    server = ApiServer(Jumping())
    old = server.put("pods", pod("a"))
    cache = cache_of(server)
    async with running(cache):
        cache.learn({**old, "metadata": {**old["metadata"], "resourceVersion": "999", "labels": {"new": "1"}}})
        server.touch("pods", "a")
        await settle()
        (known,) = cache.objects.values()
        assert known["metadata"]["labels"] == {"new": "1"}
        server.remove("pods", server.get("pods", "a"))
        await settle()
        cache.learn(known)
        assert cache.objects == {}


def test_who_set_what_is_not_kept() -> None:
    obj = {"metadata": {"name": "a", "managedFields": [1, 2, 3]}}
    assert whole(obj) == {"metadata": {"name": "a"}}
