"""Counts as recorded: zero is absent, a conflict is read again, the same count is not written."""

from __future__ import annotations

import pytest

from runtime.kubernetes import targets
from runtime.kubernetes.errors import Conflict, Forbidden
from runtime.kubernetes.reports import NOTE_BYTES, event
from runtime.kubernetes.resource import DEPLOYMENTS, LEADER_WORKER_SETS
from runtime.kubernetes.spec import TargetSpec
from runtime.kubernetes.targets import Changed
from runtime.kubernetes.times import seconds
from tests.runtime.kubernetes.recordings import Replay, api, body, items, recording

QWEN = TargetSpec("qwen", "h100", "llm", "vllm-qwen3-32b")
GPT = DEPLOYMENTS.at("llm", "vllm-gpt-oss-20b", "scale")
LWS = LEADER_WORKER_SETS.at("llm", "vllm-deepseek-v3", "scale")


async def test_zero_is_absent() -> None:
    assert (await targets.read(api(Replay("scale-get-zero")), GPT)).replicas == 0


async def test_the_selector_says_whose_pods() -> None:
    assert (await targets.read(api(Replay("lws-scale-get")), LWS)).selector.endswith("worker-index=0")
    assert (await targets.read(api(Replay("lws-scale-get-no-status")), LWS)).selector == ""


async def test_the_same_count_is_not_written() -> None:
    transport = Replay("scale-get")
    scale, written = await targets.write(api(transport), QWEN.scale, 7, 1)
    assert (scale.replicas, written, [r.method for r in transport.seen]) == (1, False, ["GET"])


async def test_a_count_is_written_on_top_of_the_version_that_was_read() -> None:
    transport = Replay("scale-get", "scale-patch-merge", exact=False)
    scale, written = await targets.write(api(transport), QWEN.scale, 1, 2)
    assert written and scale.version > 418
    assert b'"resourceVersion": "418"' in transport.seen[-1].content


async def test_a_conflict_is_read_again_and_the_count_decided_upon_anew_where_it_changed() -> None:
    again = Replay("scale-get", "scale-patch-merge-stale", "scale-get", "scale-patch-merge", exact=False)
    assert (await targets.write(api(again), QWEN.scale, 1, 2))[1]
    with pytest.raises(Changed, match="decided upon 3"):
        await targets.write(api(Replay("scale-get")), QWEN.scale, 3, 2)


async def test_conflicts_without_end_and_missing_rights_are_told() -> None:
    for_ever = Replay(*["scale-get", "scale-patch-merge-stale"] * targets.TRIES, exact=False)
    with pytest.raises(Conflict):
        await targets.write(api(for_ever), QWEN.scale, 1, 2)
    with pytest.raises(Forbidden, match="deployments/scale"):
        await targets.write(api(Replay("scale-get", "auth-forbidden-scale-patch", exact=False)), QWEN.scale, 1, 2)


async def test_a_leader_worker_set_is_scaled_by_merge_patch_as_recorded() -> None:
    transport = Replay("lws-scale-get", "lws-scale-patch", exact=False)
    scale, written = await targets.write(api(transport), LWS, 1, 2)
    assert written and scale.replicas == 2
    assert (
        transport.seen[-1].headers["content-type"] == recording("lws-scale-patch")["request"]["headers"]["Content-Type"]
    )


def test_a_watched_workload_tells_the_same_as_its_scale() -> None:
    (found,) = [obj for obj in items("deployment-list") if obj["metadata"]["name"] == QWEN.name]
    scale = targets.of_workload(found, DEPLOYMENTS)
    assert (scale.replicas, scale.selector) == (1, body("scale-get")["status"]["selector"])
    lws = targets.of_workload(body("lws-get"), LEADER_WORKER_SETS)
    assert (lws.replicas, lws.selector) == (2, body("lws-scale-get")["status"]["selector"])
    assert targets.of_workload(body("deployment-get-scaled-to-zero"), DEPLOYMENTS).replicas == 0


def test_the_recorded_deployments_say_which_pool_they_are() -> None:
    found = [targets.found(obj, DEPLOYMENTS) for obj in items("deployment-list")]
    assert {(t.service, t.pool) for t in found if t} == {
        (service, "h100-tp2") for service in ("gpt-oss-20b", "llama-3-3-70b", "qwen3-32b")
    }
    assert targets.found(body("lws-get"), LEADER_WORKER_SETS) is None


def test_an_event_has_what_the_server_requires() -> None:
    asked = recording("event-create")["request"]["body"]
    at_s = seconds(asked["eventTime"])
    made = event(QWEN, asked["regarding"]["uid"], "ScaledOut", asked["note"], at_s, "leadtime-0")
    assert {**made, "metadata": None, "eventTime": None} == {**asked, "metadata": None, "eventTime": None}
    assert made["metadata"]["name"].startswith("vllm-qwen3-32b.") and len(made["eventTime"]) == len(asked["eventTime"])


def test_a_long_note_is_cut_at_the_bytes_that_are_allowed() -> None:
    note = event(QWEN, "u", "ScaledOut", "é" * 1000, 0.0, "i")["note"]
    assert len(note.encode()) <= NOTE_BYTES and set(note) == {"é"}
