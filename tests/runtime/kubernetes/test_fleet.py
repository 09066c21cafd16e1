"""The fleet over a cluster that behaves: out, in, conflicts, missing rights, throttling, rollouts, losses, budgets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from runtime.fleet import PoolTarget
from runtime.kubernetes.resource import LEADER_WORKER_SETS, STATEFUL_SETS
from runtime.kubernetes.spec import TargetSpec
from runtime.local.spec import Sleep
from runtime.replica import Tier, Transition
from tests.runtime.kubernetes.conftest import World
from tests.runtime.kubernetes.recordings import body

SCALE = "/apis/apps/v1/namespaces/llm/deployments/chat/scale"


async def up(world: World, replicas: int, **changes: Any) -> Any:
    """A deployment that serves with so many pods, and its fleet."""
    world.cluster.workload("chat", replicas)
    world.cluster.step(5)
    world.cluster.step(70)
    world.cluster.step(5)
    fleet = await world.fleet(**changes)
    assert len(world.cluster.serving("chat")) == replicas
    return fleet


def writes(world: World, method: str = "PATCH", path: str = SCALE) -> list[Any]:
    return [body for verb, where, body in world.cluster.server.writes if (verb, where) == (method, path)]


async def test_without_a_target_nothing_is_written(world: World) -> None:
    await up(world, 2)
    await world.run(100)
    assert world.cluster.server.writes == []


async def test_scale_out_is_one_write_and_an_event_and_is_measured(world: World) -> None:
    fleet = await up(world, 1)
    await world.at(3)
    await world.run(100)
    assert len(world.cluster.serving("chat")) == 3
    (body,) = writes(world)
    assert body["spec"] == {"replicas": 3} and "resourceVersion" in body["metadata"]
    (event,) = world.cluster.server.all("events")
    assert (event["reason"], event["note"]) == ("ScaledOut", "1 -> 3 replicas, decision d1")
    assert {(s.pool, s.start) for s in await fleet.lead_times()} == {("h100", Tier.COLD)}
    assert [sample.seconds for sample in await fleet.lead_times()] == [60.0, 60.0]


async def test_the_same_target_twice_writes_once(world: World) -> None:
    await up(world, 1)
    await world.at(2)
    await world.at(2)
    await world.run(200)
    await world.at(2)
    assert len(writes(world)) == 1 and world.cluster.replicas("chat") == 2


async def test_scale_in_drains_the_least_loaded_and_has_that_one_removed(world: World) -> None:
    await up(world, 3)
    keep, victim, other = world.cluster.serving("chat")
    world.engines.busy = {world.url(keep): 9, world.url(victim): 2, world.url(other): 9}
    await world.at(2)
    assert world.cluster.serving("chat") == [keep, other]
    await world.run(60)
    assert world.cluster.replicas("chat") == 3
    world.engines.busy[world.url(victim)] = 0
    await world.run(30)
    assert world.cluster.replicas("chat") == 2
    await world.run(30)
    assert sorted(pod["metadata"]["name"] for pod in world.cluster.pods("chat")) == sorted([keep, other])


async def test_an_engine_that_does_not_say_is_not_idle(world: World) -> None:
    fleet = await up(world, 1, drain_s=60)
    world.engines.busy = {world.url(world.cluster.serving("chat")[0]): None}
    await world.at(0)
    await world.run(200)
    assert world.cluster.replicas("chat") == 1
    assert [hold.reason for hold in fleet.holds()["chat", "h100"]] == ["StillDraining"]


async def test_zero_is_reached_and_left_again(world: World) -> None:
    await up(world, 1)
    await world.at(0)
    await world.run(60)
    assert world.cluster.replicas("chat") == 0 and world.cluster.pods("chat") == []
    await world.at(1)
    await world.run(100)
    assert len(world.cluster.serving("chat")) == 1


async def test_a_drain_is_undone_without_a_new_pod(world: World) -> None:
    await up(world, 2)
    world.engines.busy = {world.url(name): 1 for name in world.cluster.serving("chat")}
    await world.at(1)
    await world.run(20)
    assert len(world.cluster.serving("chat")) == 1
    await world.at(2)
    await world.run(20)
    assert len(world.cluster.serving("chat")) == 2 and writes(world) == []


async def test_a_conflict_is_read_again_and_retried(world: World) -> None:
    await up(world, 1)
    server = world.cluster.server

    seen: list[str] = []

    def first_patch(request: httpx.Request) -> None:
        if request.method == "PATCH" and request.url.path == SCALE and not seen:
            seen.append("")
            server.touch("deployments", "chat")

    server.faults[:] = [first_patch]
    await world.at(2)
    assert world.cluster.replicas("chat") == 2 and len(writes(world)) == 2


async def test_a_count_that_somebody_else_has_set_is_decided_upon_again(world: World) -> None:
    fleet = await up(world, 1)
    server = world.cluster.server
    seen: list[str] = []

    def rival(request: httpx.Request) -> None:
        if request.method == "GET" and request.url.path == SCALE and not seen:
            seen.append("")
            changed = server.get("deployments", "chat")
            server.put("deployments", {**changed, "spec": {**changed["spec"], "replicas": 4}})

    server.faults.append(rival)
    await world.at(2)
    assert [hold.reason for hold in fleet.holds()["chat", "h100"]] == ["Changed"] and writes(world) == []
    await world.run(200)
    assert world.cluster.replicas("chat") == 2


async def test_a_missing_right_is_told_and_other_pools_go_on(world: World) -> None:
    world.cluster.workload("other", 1, gpus=1)
    world.cluster.workload("chat", 1)
    world.cluster.step(5)
    fleet = await world.fleet(TargetSpec("chat", "h100", "llm", "chat"), TargetSpec("other", "l4", "llm", "other"))
    refusal = httpx.Response(403, json={"reason": "Forbidden", "message": "cannot patch resource deployments/scale"})
    world.cluster.server.fail(99, lambda r: refusal if r.method == "PATCH" and r.url.path == SCALE else None)
    await fleet.apply([PoolTarget("chat", "h100", 2), PoolTarget("other", "l4", 2)], "d1")
    (hold,) = fleet.holds()["chat", "h100"]
    assert (hold.reason, world.cluster.replicas("other")) == ("Forbidden", 2) and "deployments/scale" in hold.message


async def test_throttling_delays_and_loses_nothing(world: World) -> None:
    await up(world, 1)
    busy = httpx.Response(429, headers={"Retry-After": "2"}, json={"reason": "TooManyRequests"})
    world.cluster.server.fail(2, lambda r: busy if r.method == "PATCH" else None)
    began_s = world.cluster.clock.now_s
    await world.at(2)
    assert world.cluster.replicas("chat") == 2 and world.cluster.clock.now_s >= began_s + 4


async def test_an_expired_watch_loses_nothing(world: World) -> None:
    await up(world, 1)
    await world.at(2)
    world.cluster.server.forget()
    world.cluster.server.cut()
    await world.run(150)
    assert len(world.cluster.serving("chat")) == 2 and len(writes(world)) == 1


async def test_a_stale_picture_moves_nothing(world: World) -> None:
    fleet = await up(world, 1)
    world.cluster.server.faults.append(lambda request: httpx.ConnectError("refused"))
    world.cluster.server.cut()
    await world.settle()
    world.cluster.clock.now_s += 3e9
    await world.at(5)
    assert [hold.reason for hold in fleet.holds()["chat", "h100"]] == ["StalePicture"]


async def test_scaling_in_the_middle_of_a_rolling_update(world: World) -> None:
    fleet = await up(world, 2)
    world.cluster.roll("chat")
    await world.at(2)
    await world.run(20)
    assert len(world.cluster.pods("chat")) == 3
    await world.at(1)
    await world.run(30)
    assert world.cluster.replicas("chat") == 2
    assert "RollingUpdate" in {hold.reason for hold in fleet.holds()["chat", "h100"]}
    for _ in range(60):
        await world.run(5)
        assert len(world.cluster.serving("chat")) >= 1
    assert world.cluster.replicas("chat") == 1
    assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in world.cluster.pods("chat")} == {"2"}


async def test_what_a_lost_node_held_is_replaced_and_then_given_up(world: World) -> None:
    await up(world, 2)
    await world.at(2)
    (node,) = {pod["spec"]["nodeName"] for pod in world.cluster.pods("chat")}
    other = world.cluster.pods("chat")[0]
    other["spec"]["nodeName"] = "node-1"
    world.cluster.server.put("pods", other)
    world.cluster.lose(node)
    await world.run(10)
    assert world.cluster.replicas("chat") == 3
    failed = [r for r in await world.fleets[0].replicas() if r.transition is Transition.FAILED]
    assert [replica.node for replica in failed] == [node]
    await world.run(80)
    assert len(world.cluster.serving("chat")) == 2
    for pod in world.cluster.pods("chat"):
        if pod["spec"]["nodeName"] == node:
            world.cluster.server.remove("pods", pod)
    await world.run(120)
    assert world.cluster.replicas("chat") == 2 and len(world.cluster.serving("chat")) == 2


async def test_pods_that_crash_are_not_multiplied(world: World) -> None:
    await up(world, 1)
    (pod,) = world.cluster.pods("chat")
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    pod["status"]["containerStatuses"] = [{"name": "vllm", "state": waiting, "restartCount": 4}]
    world.cluster.server.put("pods", pod)
    await world.at(1)
    (replica,) = await world.fleets[0].replicas()
    assert (replica.transition, writes(world)) == (Transition.FAILED, [])


async def test_what_keeps_pods_from_coming_is_told(world: World) -> None:
    fleet = await up(world, 1)
    failed = next(
        c for c in body("deployment-get-quota-exceeded")["status"]["conditions"] if c["type"] == "ReplicaFailure"
    )
    chat = world.cluster.server.get("deployments", "chat")
    world.cluster.server.put("deployments", {**chat, "status": {"conditions": [failed]}})
    await world.at(6)
    await world.run(20)
    told = {hold.reason: hold.message for hold in fleet.holds()["chat", "h100"]}
    assert "exceeded quota" in told["ReplicaFailure"] and "Insufficient nvidia.com/gpu" in told["Unschedulable"]


async def test_a_budget_holds_a_scale_in(world: World) -> None:
    fleet = await up(world, 2)
    world.cluster.budget("chat-pdb", "chat", 0)
    await world.at(1)
    await world.run(60)
    assert world.cluster.replicas("chat") == 2
    assert "DisruptionBudget" in {hold.reason for hold in fleet.holds()["chat", "h100"]}
    world.cluster.budget("chat-pdb", "chat", 1)
    await world.run(60)
    assert world.cluster.replicas("chat") == 1


async def test_budgets_that_cannot_be_read_allow_nothing(world: World) -> None:
    refusal = httpx.Response(403, json={"reason": "Forbidden", "message": "cannot list poddisruptionbudgets"})
    world.cluster.server.faults.append(lambda r: refusal if "poddisruptionbudgets" in r.url.path else None)
    fleet = await up(world, 2)
    await world.at(1)
    await world.run(60)
    assert world.cluster.replicas("chat") == 2
    assert "cannot be read" in str(fleet.holds()["chat", "h100"])
    await world.at(3)
    assert world.cluster.replicas("chat") == 3


async def test_one_to_be_avoided_is_evicted_where_its_replacement_waits_for_its_gpus(world: World) -> None:
    world.cluster.server.remove("nodes", world.cluster.server.get("nodes", "node-1"))
    fleet = await up(world, 2)
    bad, good = world.cluster.serving("chat")
    world.cluster.budget("chat-pdb", "chat", 0)
    await world.at(2, avoid=(bad,))
    await world.run(60)
    assert world.cluster.serving("chat") == [good]
    assert "DisruptionBudget" in {hold.reason for hold in fleet.holds()["chat", "h100"]}
    world.cluster.budget("chat-pdb", "chat", 1)
    await world.run(200)
    assert len(world.cluster.serving("chat")) == 2 and bad not in world.cluster.serving("chat")
    assert world.cluster.replicas("chat") == 2


async def test_a_target_that_an_autoscaler_scales_is_refused_by_name(world: World) -> None:
    fleet = await up(world, 1)
    world.cluster.autoscaler("chat")
    await world.settle()
    await world.at(5)
    assert writes(world) == [] and fleet.refusals()["chat", "h100"].reason == "ScaledByHorizontalPodAutoscaler"
    assert "llm/hpa" in fleet.holds()["chat", "h100"][0].message
    world.cluster.server.remove("horizontalpodautoscalers", world.cluster.server.get("horizontalpodautoscalers", "hpa"))
    await world.run(10)
    assert world.cluster.replicas("chat") == 5


async def test_standby_waits_out_of_rotation_and_enters_by_a_label(world: World) -> None:
    fleet = await up(world, 1)
    await world.at(1, standby=1)
    await world.run(150)
    assert len(world.cluster.serving("chat")) == 1 and world.cluster.replicas("chat") == 2
    assert sorted(r.tier for r in await fleet.replicas() if r.transition is None) == [Tier.ACTIVE, Tier.STANDBY]
    await world.at(2)
    assert len(world.cluster.serving("chat")) == 2
    await world.run(10)
    assert len(writes(world)) == 1 and (await fleet.lead_times())[-1].start is Tier.STANDBY


async def test_a_pod_is_put_to_sleep_once_empty_and_woken(world: World) -> None:
    fleet = await up(world, 2, targets=(TargetSpec("chat", "h100", "llm", "chat", sleep=Sleep.LEVEL2),))
    await world.at(1, asleep=1)
    await world.run(60)
    (asleep,) = [r for r in await fleet.replicas() if r.tier is Tier.ASLEEP]
    assert asleep.transition is None and world.engines.asleep == {asleep.base_url}
    await world.at(2)
    await world.run(20)
    assert world.engines.asleep == set() and len(world.cluster.serving("chat")) == 2
    assert (await fleet.lead_times())[-1].start is Tier.ASLEEP and writes(world) == []


async def test_a_pod_that_does_not_wake_is_replaced(world: World) -> None:
    fleet = await up(world, 2, targets=(TargetSpec("chat", "h100", "llm", "chat", sleep=Sleep.LEVEL1),))
    await world.at(1, asleep=1)
    await world.run(60)
    (asleep,) = world.engines.asleep
    world.engines.broken = {asleep}
    await world.at(2)
    await world.run(150)
    assert len(world.cluster.serving("chat")) == 2
    assert fleet.counts()["h100", "wake failed"] == 1


async def test_warm_nodes_are_held_by_placeholders_that_real_pods_preempt(world: World) -> None:
    world.cluster.workload("chat-warm", 0, priority="-10")
    fleet = await up(world, 1, targets=(TargetSpec("chat", "h100", "llm", "chat", warm="chat-warm"),))
    await world.at(1, warm_node=3)
    await world.run(100)
    assert [r.tier for r in await fleet.replicas()].count(Tier.WARM_NODE) == 3
    await world.at(2, warm_node=2)
    await world.run(100)
    assert len(world.cluster.serving("chat")) == 2 and world.cluster.replicas("chat-warm") == 2
    assert [sample.start for sample in await fleet.lead_times()] == [Tier.WARM_NODE]


async def test_the_highest_number_of_a_stateful_set_goes(world: World) -> None:
    world.cluster.workload("chat", 3, "statefulsets")
    for seconds in (5, 70, 5):
        world.cluster.step(seconds)
    await world.fleet(TargetSpec("chat", "h100", "llm", "chat", STATEFUL_SETS))
    world.engines.busy = {world.url("chat-2"): 5}
    await world.at(2)
    assert world.cluster.serving("chat") == ["chat-0", "chat-1"]
    await world.run(30)
    assert world.cluster.replicas("chat", "statefulsets") == 3
    world.engines.busy = {}
    await world.run(60)
    assert [pod["metadata"]["name"] for pod in world.cluster.pods("chat")] == ["chat-0", "chat-1"]


async def test_a_numbered_pod_to_be_avoided_is_replaced_once_under_its_name(world: World) -> None:
    world.cluster.workload("chat", 2, "statefulsets", gpus=1)
    for seconds in (5, 70, 5):
        world.cluster.step(seconds)
    await world.fleet(TargetSpec("chat", "h100", "llm", "chat", STATEFUL_SETS))
    uid = world.cluster.server.get("pods", "chat-0")["metadata"]["uid"]
    await world.at(2, avoid=("chat-0",))
    for _ in range(60):
        await world.run(5)
        await world.at(2, avoid=("chat-0",))
        assert len(world.cluster.serving("chat")) >= 1
    assert world.cluster.server.get("pods", "chat-0")["metadata"]["uid"] != uid
    assert world.cluster.serving("chat") == ["chat-0", "chat-1"]
    assert len([path for method, path, _ in world.cluster.server.writes if path.endswith("/eviction")]) == 1


async def test_a_group_of_pods_is_one_replica(world: World) -> None:
    world.cluster.workload("chat", 1, "leaderworkersets")
    for seconds in (5, 70, 5):
        world.cluster.step(seconds)
    fleet = await world.fleet(TargetSpec("chat", "h100", "llm", "chat", LEADER_WORKER_SETS))
    assert [(r.name, r.serving) for r in await fleet.replicas()] == [("chat-0", True)]
    await world.at(2)
    await world.run(20)
    assert [r.transition for r in await fleet.replicas()] == [None, Transition.LAUNCHING]
    await world.run(80)
    assert [r.serving for r in await fleet.replicas()] == [True, True] and len(world.cluster.pods("chat")) == 4


async def test_workloads_are_found_by_label(world: World) -> None:
    world.cluster.workload("chat", 1, **{"leadtime.dev/service": "chat", "leadtime.dev/pool": "h100"})
    world.cluster.workload("unrelated", 1, gpus=1)
    world.cluster.step(5)
    fleet = await world.fleet(targets=(), discover=("llm",))
    await world.at(2)
    assert world.cluster.replicas("chat") == 2
    assert {replica.service for replica in await fleet.replicas()} == {"chat"}


async def test_what_cannot_be_is_refused_and_changes_nothing(world: World) -> None:
    fleet = await up(world, 1)
    with pytest.raises(KeyError):
        await fleet.apply([PoolTarget("chat", "other", 1)], "d1")
    for spare in ("asleep", "warm_node"):
        with pytest.raises(ValueError, match="give 0"):
            await world.at(3, **{spare: 1})
    assert world.cluster.server.writes == []


async def test_one_who_does_not_lead_writes_nothing_and_says_so(world: World) -> None:
    fleet = await up(world, 1)
    world.leads = lambda: False
    await world.at(3)
    assert [hold.reason for hold in fleet.holds()["chat", "h100"]] == ["NotLeading"]
    assert world.cluster.server.writes == []


async def test_a_new_leader_carries_on_and_drains_nobody_twice(world: World) -> None:
    first = await up(world, 3)
    world.engines.busy = {world.url(name): 1 for name in world.cluster.serving("chat")}
    await world.at(2)
    left = world.cluster.serving("chat")
    world.fleets.remove(first)
    await first.close()
    second = await world.fleet()
    await world.run(30)
    await world.at(2, second)
    await world.run(30)
    assert world.cluster.serving("chat") == left
    world.engines.busy = {}
    await world.run(60)
    assert world.cluster.serving("chat") == left and world.cluster.replicas("chat") == 2


async def test_nodes_and_their_gpus(world: World) -> None:
    fleet = await up(world, 1)
    assert await fleet.nodes() == ("node-0", "node-1")
    assert sum(node.free() for node in fleet.inventory()) == 6
