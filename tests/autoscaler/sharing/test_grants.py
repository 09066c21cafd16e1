"""What services get where something is short for all of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from autoscaler.allocation import Market
from autoscaler.controller import Considered
from autoscaler.decide import decide
from autoscaler.decision import Branch, TierCounts
from autoscaler.policy import Mode, Policy
from autoscaler.sharing import grants
from autoscaler.sharing.grants import Limits, share
from autoscaler.store.codec import inputs, replay
from collectors.aggregate import LengthMemory
from tests.autoscaler.cases import AUTO, NOW_S, POOL, forecast, observation, state

FIRST = AUTO.model_copy(update={"priority": 1})
OTHER = replace(POOL, name="l4", gpu="L4", gpus_per_replica=1, price_usd_per_gpu_hour=8.0)


def considered(service: str, erlangs: float, policy: Policy = AUTO, **changes: object) -> Considered:
    """A service that wants about so much."""
    known = replace(state(4, pool=replace(POOL, service=service), **changes), service=service)
    seen, told = replace(observation(), service=service), forecast(erlangs)
    return Considered((), seen, LengthMemory(), told, known, decide(seen, told, known, policy, NOW_S))


def h100(nodes: int) -> Limits:
    """So many nodes of eight."""
    return Limits(Market({"H100": ((8, nodes),)}))


def actives(results: dict[str, Considered]) -> dict[str, list[int]]:
    """Of each pool of each service."""
    return {name: [target.active for target in one.decision.plan.targets] for name, one in results.items()}


def test_where_there_is_enough_nobody_is_told_anything() -> None:
    both = {"chat": considered("chat", 3.0), "code": considered("code", 3.0)}
    assert share(both, {"chat": AUTO, "code": AUTO}, h100(100)) == both
    assert share(both, {"chat": AUTO, "code": AUTO}, Limits()) == both


def test_who_has_priority_gets_all_and_the_other_is_told_why() -> None:
    both = {"chat": considered("chat", 4.0, FIRST), "code": considered("code", 4.0)}
    wanted = both["chat"].decision.plan.targets[0].active
    result = share(both, {"chat": FIRST, "code": AUTO}, h100(3))
    assert actives(result) == {"chat": [wanted], "code": [12 - wanted]}
    decision = result["code"].decision
    assert decision.binding == "inventory" and "0 H100 left" in decision.sentence
    assert "chat has priority" in decision.sentence


def test_a_decision_with_a_grant_replays() -> None:
    both = {"chat": considered("chat", 4.0, FIRST), "code": considered("code", 4.0)}
    one = share(both, {"chat": FIRST, "code": AUTO}, h100(3))["code"]
    assert one.forecast is not None
    assert replay(inputs(one.observation, one.forecast, one.state, AUTO, NOW_S)) == one.decision


def test_who_can_goes_to_another_pool() -> None:
    both = {"chat": considered("chat", 4.0), "code": considered("code", 4.0, more=(Branch(OTHER),))}
    result = share(both, {"chat": AUTO, "code": AUTO}, h100(3))
    chat, code = actives(result).values()
    assert chat == [both["chat"].decision.plan.targets[0].active]
    assert code[0] == 12 - chat[0] and code[1] > 0
    assert result["code"].decision.binding != "inventory"


def test_what_does_not_act_keeps_its_gpus() -> None:
    shadow = AUTO.model_copy(update={"mode": Mode.SHADOW})
    both = {"chat": considered("chat", 9.0, FIRST), "code": considered("code", 1.0, shadow)}
    result = share(both, {"chat": FIRST, "code": shadow}, h100(2))
    assert actives(result)["chat"] == [4] and result["code"] is both["code"]


def test_money_for_all_is_shared_too() -> None:
    both = {"chat": considered("chat", 3.0, FIRST), "code": considered("code", 3.0)}
    wanted = both["chat"].decision.plan.targets[0].active
    result = share(both, {"chat": FIRST, "code": AUTO}, Limits(Market(budget_usd_per_hour=5.0 * (wanted + 2))))
    assert actives(result) == {"chat": [wanted], "code": [2]}
    assert "fleet budget" in result["code"].decision.sentence


def test_slices_are_parts_of_the_gpu_they_are_cut_from() -> None:
    mig = replace(POOL, gpu="H100-1g", gpus_per_replica=1)
    one = considered("chat", 30.0)
    small = replace(one, state=replace(one.state, pool=mig, counts=TierCounts(active=4)))
    small = replace(small, decision=decide(small.observation, small.forecast, small.state, AUTO, NOW_S))
    limits = Limits(Market({"H100": ((1, 1),)}), {"H100-1g": ("H100", Fraction(1, 7))})
    assert actives(share({"chat": small}, {"chat": AUTO}, limits)) == {"chat": [7]}


@pytest.mark.parametrize("nodes", [2, 3, 4, 6, 8])
def test_who_gets_what_it_decided_need_not_decide_again(nodes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    more = (Branch(OTHER, TierCounts(active=2)),)
    many = {f"s{i}": considered(f"s{i}", 1.0 + i, FIRST if i % 2 else AUTO, more=more) for i in range(4)}
    policies = {name: FIRST if i % 2 else AUTO for i, name in enumerate(many)}
    spared = share(many, policies, h100(nodes))
    monkeypatch.setattr(grants, "_binds", lambda grant, one: True)
    every = share(many, policies, h100(nodes))
    assert actives(spared) == actives(every)
    assert [one.decision.sentence for one in spared.values()] == [one.decision.sentence for one in every.values()]
