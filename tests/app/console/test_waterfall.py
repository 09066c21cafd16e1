"""A decision walked again step by step ends where it ended."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from app.api.schemas.decisions import AlternativeView, ConstraintView
from app.console import waterfall
from autoscaler.safety import guardrails
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_api import decision
from tests.app.console.fake_fleet import SERVICES

ROW = decision(SERVICES[0], NOW_S)


@dataclass(frozen=True)
class Said:
    name: str
    replicas: int
    is_floor: bool
    exact: bool


KINDS = [
    ("hold", True, False),
    ("window", True, False),
    ("scale_out_step", False, False),
    ("at_least", True, False),
    ("pin", True, True),
    ("min", True, False),
    ("max", False, False),
    ("budget", False, False),
]
bounds = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 20)), max_size=8)


def view(name: str, replicas: int) -> ConstraintView:
    return ConstraintView(name=name, replicas=replicas, binds=False, detail="")


@given(need=st.integers(0, 20), given=bounds)
def test_bounds_move_the_number_as_the_guards_do(need: int, given: list[tuple[tuple[str, bool, bool], int]]) -> None:
    value = need
    for (name, is_floor, exact), replicas in given:
        value = guardrails.Bound(name, is_floor, replicas, "", exact).moved(value)
    told = [view("forecast", need), *(view(kind[0], replicas) for kind, replicas in given)]
    found = waterfall.steps(ROW.model_copy(update={"constraints": told, "desired_active": value}))
    assert (found[-1].before, found[-1].after, found[-1].detail) == (value, value, "")


def test_replaced_sick_replicas_are_told_apart() -> None:
    told = [view("load", 3), view("health", 4)]
    found = waterfall.steps(ROW.model_copy(update={"constraints": told, "desired_active": 4}))
    assert (found[-1].before, found[-1].after) == (3, 4)
    assert "sick replicas" in found[-1].detail


def test_the_sentence_names_what_clamped() -> None:
    told = [view("forecast", 9), view("scale_out_step", 6), view("max", 5)]
    row = ROW.model_copy(update={"constraints": told, "desired_active": 5})
    said = waterfall.sentence(row)
    assert said == "Proposed 9; scale_out_step lowered it to 6, max lowered it to 5; wanted 5."
    assert waterfall.table(row)["effect"].tolist() == ["", "", "lowered", "lowered", ""]


def test_what_is_held_by_hand_stands_in_the_way_of_both() -> None:
    def alternative(replicas: int, text: str) -> AlternativeView:
        return AlternativeView(replicas=replicas, name="x", erlangs=None, after_s=0.0, text=text)

    told = {"constraints": [view("load", 3)], "desired_active": 3}
    both = ROW.model_copy(update=told | {"alternatives": [alternative(4, "more"), alternative(2, "fewer")]})
    assert (waterfall.otherwise(both, True), waterfall.otherwise(both, False)) == (["more"], ["fewer"])
    pinned = ROW.model_copy(update=told | {"alternatives": [alternative(3, "once the pin ends")]})
    assert waterfall.otherwise(pinned, True) == waterfall.otherwise(pinned, False) == ["once the pin ends"]


def test_every_binding_has_a_family() -> None:
    families = [waterfall.family(name) for name in ("forecast", "load", "kv", "window", "budget", "freeze")]
    assert families == ["forecast", "load", "distress", "floor", "cap", "hand"]


def test_the_chart_has_a_lane_per_step() -> None:
    spec = waterfall.chart(ROW).to_dict()
    assert len(next(iter(spec["datasets"].values()))) == len(waterfall.steps(ROW))
