"""What recorded pods mean, and those that no fake kubelet could show."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from runtime.kubernetes.marks import ASLEEP, COST, OUR_COST, ROTATION, TIER, Change, Rotation, patch
from runtime.kubernetes.pods import Situation, keep, member, replica, state, together
from runtime.replica import Tier, Transition
from tests.runtime.kubernetes.recordings import NAMES, items, recording

LISTS = [name for name in NAMES if "pod" in name and isinstance(recording(name)["response"].get("body"), dict)]
LISTS = [name for name in LISTS if recording(name)["response"]["body"].get("kind") == "PodList"]


def ready(**changes: Any) -> dict[str, Any]:
    """The recorded serving pod, with labels and annotations of ours."""
    pod = copy.deepcopy(items("deletion-cost-1-pods-before")[0])
    pod["metadata"]["labels"] |= changes.get("labels", {})
    pod["metadata"]["annotations"] |= changes.get("annotations", {})
    return pod


def waiting(reason: str) -> dict[str, Any]:
    pod = ready()
    pod["status"]["phase"] = "Pending"
    pod["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason, "message": "m"}}
    return pod


def seen(name: str) -> list[Situation]:
    return [state(pod).situation for pod in items(name)]


@pytest.mark.parametrize(
    ("name", "situations"),
    [
        ("pod-list-starting", [Situation.STARTING, Situation.STARTING]),
        (
            "pod-list",
            [Situation.TERMINATING, Situation.READY, Situation.UNSCHEDULABLE, Situation.READY, Situation.STARTING],
        ),
        ("pod-list-unschedulable-taint", [Situation.UNSCHEDULABLE] * 2),
        ("pod-list-unschedulable-selector", [Situation.UNSCHEDULABLE]),
        ("pod-list-node-not-ready", [Situation.NODE_LOST]),
        ("deletion-cost-4-pods-after", [Situation.TERMINATING, Situation.READY]),
        ("deletion-cost-5-pods-with-pending", [Situation.READY, Situation.READY, Situation.UNSCHEDULABLE]),
    ],
)
def test_recorded_pods(name: str, situations: list[Situation]) -> None:
    assert seen(name) == situations


def test_the_recorded_life_of_a_pod() -> None:
    life = [state(event["object"]).situation for event in recording("watch-pods")["response"]["events"]]
    start = [Situation.PENDING, Situation.PENDING, Situation.CREATING, Situation.STARTING, Situation.READY]
    assert life[2:] == [*start[2:], *[Situation.TERMINATING] * 4]
    assert life[:2] in ([Situation.PENDING] * 2, [Situation.PENDING, Situation.CREATING])


@pytest.mark.parametrize(
    ("reason", "situation"),
    [
        ("ImagePullBackOff", Situation.NO_IMAGE),
        ("ErrImagePull", Situation.NO_IMAGE),
        ("CrashLoopBackOff", Situation.CRASHING),
        ("CreateContainerConfigError", Situation.BROKEN),
        ("ContainerCreating", Situation.READY),
    ],
)
def test_a_container_that_waits_says_why(reason: str, situation: Situation) -> None:
    found = state(waiting(reason))
    assert found.situation is situation
    assert situation is Situation.READY or reason in found.why


def test_an_init_container_counts() -> None:
    pod = waiting("ContainerCreating")
    pod["status"]["initContainerStatuses"] = [{"name": "w", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    assert state(pod).why == "w: CrashLoopBackOff"


def test_an_evicted_pod_and_one_that_ended_are_counted_no_more() -> None:
    for reason, situation in (("Evicted", Situation.EVICTED), ("", Situation.ENDED)):
        pod = ready()
        pod["status"] |= {"phase": "Failed", "reason": reason, "message": "low on memory"}
        found = state(pod)
        assert (found.situation, found.counted) == (situation, False)
        assert replica(found, "s", "p").transition is Transition.FAILED


def test_a_terminating_pod_is_on_its_way_to_cold_though_it_is_ready() -> None:
    found = replica(state(items("pod-list")[0]), "s", "p")
    assert (found.tier, found.transition, found.serving) == (Tier.COLD, Transition.DRAINING, False)


def test_a_serving_pod_has_an_address_and_a_time() -> None:
    found = replica(state(ready()), "qwen", "h100")
    assert found.serving and found.base_url.startswith("http://10.244.0.") and found.base_url.endswith(":8000")
    assert found.since_s == state(ready()).ready_s and found.gpus == ()


def test_an_address_of_version_six_is_bracketed() -> None:
    pod = ready()
    pod["status"]["podIP"] = "fd00::5"
    assert state(pod).base_url == "http://[fd00::5]:8000"


@pytest.mark.parametrize(
    ("goal", "rotation", "asleep", "transition"),
    [
        (Tier.ACTIVE, Rotation.IN, False, None),
        (Tier.ACTIVE, Rotation.OUT, False, Transition.WAKING),
        (Tier.ACTIVE, Rotation.OUT, True, Transition.WAKING),
        (Tier.STANDBY, Rotation.DRAINING, False, Transition.DRAINING),
        (Tier.STANDBY, Rotation.OUT, False, None),
        (Tier.ASLEEP, Rotation.OUT, False, Transition.DRAINING),
        (Tier.ASLEEP, Rotation.OUT, True, None),
        (Tier.COLD, Rotation.OUT, False, Transition.DRAINING),
    ],
)
def test_tier_and_transition_follow_from_goal_and_marks(
    goal: Tier, rotation: Rotation, asleep: bool, transition: Transition | None
) -> None:
    notes = {TIER: str(goal), **({ASLEEP: "0"} if asleep else {})}
    found = replica(state(ready(labels={ROTATION: str(rotation)}, annotations=notes)), "s", "p")
    assert (found.tier, found.transition) == (goal, transition)


def test_a_container_that_was_restarted_since_is_awake() -> None:
    pod = ready(annotations={ASLEEP: "0"})
    pod["status"]["containerStatuses"][0]["restartCount"] = 1
    assert not state(pod).asleep


def test_a_label_that_no_service_selects_is_out() -> None:
    assert state(ready(labels={ROTATION: "maybe"})).rotation is Rotation.OUT


def test_a_pod_that_was_ready_once_may_hold_requests() -> None:
    pod = ready()
    assert not state(items("pod-list-starting")[0]).served
    for one in pod["status"]["conditions"]:
        if one["type"] in ("Ready", "ContainersReady"):
            one |= {"status": "False", "reason": "ContainersNotReady", "lastTransitionTime": "2026-11-21T05:00:00Z"}
    assert (state(pod).situation, state(pod).served) == (Situation.STARTING, True)


def test_one_that_crashes_is_still_being_started() -> None:
    crashing = state(waiting("CrashLoopBackOff"))
    assert member(crashing).transition is Transition.LAUNCHING
    assert replica(crashing, "s", "p").transition is Transition.FAILED


@pytest.mark.parametrize("cost", ["7", "-100"])
def test_a_cost_is_ours_only_while_it_says_what_we_said(cost: str) -> None:
    assert state(ready(annotations={COST: cost, OUR_COST: "-100"})).our_cost is (cost == "-100")
    assert state(ready(annotations={COST: cost})).our_cost is False


def test_a_group_is_no_better_than_its_worst_pod() -> None:
    leader, worker = state(ready()), state(items("pod-list-starting")[0])
    assert together(leader, [leader]) == leader
    group = together(leader, [worker])
    assert (group.name, group.situation, group.served) == (leader.name, Situation.STARTING, True)
    assert worker.name in group.why


@pytest.mark.parametrize("name", LISTS)
def test_what_is_kept_means_the_same_and_is_smaller(name: str) -> None:
    for pod in items(name):
        kept = keep(copy.deepcopy(pod))
        assert state(kept) == state(pod)
        assert len(json.dumps(kept)) < 0.75 * len(json.dumps(pod))


def test_a_change_is_a_patch_that_only_that_pod_takes() -> None:
    body = patch(Change("p", Tier.COLD, Rotation.DRAINING), "uid-1", 0.0)["metadata"]
    assert body["uid"] == "uid-1" and body["labels"] == {ROTATION: "draining"} and body["annotations"][TIER] == "cold"
    recorded = recording("deletion-cost-2-patch")["request"]["body"]["metadata"]["annotations"]
    assert patch(Change("p", cost=-100), "u", 0.0)["metadata"]["annotations"] == {**recorded, OUR_COST: "-100"}
    assert patch(Change("p", drop_cost=True), "u", 0.0)["metadata"]["annotations"] == {COST: None, OUR_COST: None}
    assert Change("p").empty
