"""A status says what people wait for, and is written when that has changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.kubernetes.declared import Refusal
from app.kubernetes.status import REFRESH_S, Standing, by_tier, difference, due, status_of
from app.manifests.resource import ByTier, Status
from autoscaler.decision import Decision
from runtime.replica import Tier
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import START_S, World, replica
from tests.app.kubernetes.test_declared import declared
from tests.runtime.kubernetes.apiserver import _merged

OBJECTS = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)


async def decision_of(world: World) -> Decision:
    daemon = await world.start()
    await ticks(daemon, 2)
    decision = daemon.memory.services["chat"].decision
    assert decision is not None
    return decision


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


async def test_what_is_followed_is_ready_and_tells_its_decision(world: World) -> None:
    decision = await decision_of(world)
    current = by_tier((replica(0, Tier.ACTIVE), replica(1, Tier.STANDBY)))
    status = status_of(declared(), None, Standing(4, True, current, decision), START_S)
    assert Status.model_validate(status).current == ByTier(active=1, standby=1, asleep=0, warm_node=0)
    assert set(conditions(status).values()) == {("True", "Followed"), ("True", "Fresh")}
    assert status["policyVersion"] == 4 and status["observedGeneration"] == 3
    assert status["desired"]["active"] == decision.plan.total.active
    assert status["lastDecision"]["sentence"] == decision.sentence and status["lastDecision"]["acted"]


async def test_missing_data_is_not_ready(world: World) -> None:
    standing = Standing(4, True, None, await decision_of(world), ("chat-0",))
    said = conditions(status_of(declared(), None, standing, START_S))
    assert said["Observed"] == said["Ready"] == ("False", "MissingData")


def test_a_refusal_is_why_it_is_not_ready() -> None:
    status = status_of(declared(), Refusal("TargetNotFound", "it is not there"), None, START_S)
    said = conditions(status)
    assert said["Accepted"] == said["Ready"] == ("False", "TargetNotFound") and said["Observed"][0] == "Unknown"
    assert "current" not in status


def test_a_rival_and_a_newer_version_are_told() -> None:
    rival = Refusal("ScaledByHorizontalPodAutoscaler", "HorizontalPodAutoscaler llm/hpa scales it too")
    assert conditions(status_of(declared(), None, Standing(1, True, rival=rival), START_S))["Accepted"] == (
        "False",
        "ScaledByHorizontalPodAutoscaler",
    )
    superseded = status_of(declared(), None, Standing(5, False), START_S)
    assert conditions(superseded)["Accepted"] == ("False", "Superseded")


def test_a_condition_keeps_the_time_of_its_status() -> None:
    first = status_of(declared(), None, Standing(1, True), START_S)
    later = status_of(replace(declared(), status=first), None, Standing(1, True), START_S + 60)
    assert later == first and due(first, later) == {}
    refused = status_of(replace(declared(), status=first), Refusal("CannotWork", "no"), Standing(1, True), START_S + 60)
    times = {one["type"]: one["lastTransitionTime"] for one in refused["conditions"]}
    assert times["Accepted"] != times["Observed"]


async def test_decisions_alone_are_told_seldom(world: World) -> None:
    decision = await decision_of(world)
    first = status_of(declared(), None, Standing(1, True, None, decision), START_S)

    def after(seconds: float, **changes: Any) -> dict[str, Any]:
        newer = replace(decision, at_s=decision.at_s + seconds, id="newer", **changes)
        return due(first, status_of(replace(declared(), status=first), None, Standing(1, True, None, newer), START_S))

    assert after(15) == {}
    assert set(after(REFRESH_S)) == {"lastDecision"}
    assert after(15, act=False)["lastDecision"]["acted"] is False


@given(OBJECTS.filter(lambda one: isinstance(one, dict)), OBJECTS.filter(lambda one: isinstance(one, dict)))
def test_a_difference_makes_the_one_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = difference(old, new)
    assert _merged(old, patch) == new
    assert (patch == {}) == (old == new)
