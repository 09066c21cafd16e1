"""Plans in words and tables."""

from __future__ import annotations

from app.console import plan
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_plan import view

FOUND = view("chat", NOW_S, "meta-llama/Llama-3.1-70B")


def test_the_finding_compares_with_the_cheapest_that_keeps_the_promise() -> None:
    said = plan.finding(FOUND)
    assert said.startswith("this policy $92.00 an hour at 99.3 %")
    assert "the promise of 99 % from $88.00 on chat-h100" in said and "on H200-fp8-TP2" in said
    assert "no setting keeps 100 %" in plan.finding(FOUND.model_copy(update={"target": 1.0}))


def test_the_chart_has_a_rule_a_line_and_points() -> None:
    spec = plan.chart(FOUND).to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rule", "line", "point"]


def test_all_layers_share_an_axis_that_begins_below_what_moves() -> None:
    ends = [layer["encoding"]["y"]["scale"]["domain"] for layer in plan.chart(FOUND).to_dict()["layer"]]
    moving = [100 * point.attainment for point in FOUND.points if point.kind != "static"]
    assert ends.count(ends[0]) == len(ends) and ends[0][0] == min(moving) - 1 and 100 < ends[0][1] < 101


def test_pools_are_told_apart_only_where_there_are_several() -> None:
    dashes = [
        plan.chart(view("chat", NOW_S, model)).to_dict()["layer"][1]["encoding"]["strokeDash"]["legend"]
        for model in (None, "meta-llama/Llama-3.1-70B")
    ]
    assert dashes[0] is None and dashes[1]["title"] == "Pool"


def test_tables_have_a_line_each() -> None:
    assert len(plan.frame(FOUND)) == len(FOUND.points)
    assert plan.frame(FOUND)["changes"].max() == "risk.headroom 1.1"
    assert plan.pools(FOUND)["step times"].tolist() == ["measured"]
    assert len(plan.pools(view("chat", NOW_S, None))) == 0


def test_what_if_values_are_laid_over_the_policy() -> None:
    base = {"mode": "auto", "replicas": {"min": 1, "max": 4}}
    made = plan.policy_of(base, {"replicas.max": 9})
    assert made == {"mode": "auto", "replicas": {"min": 1, "max": 9}}
    assert base["replicas"] == {"min": 1, "max": 4}
