"""The form and the policy say the same, for every field there is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.console import policy_form
from app.console.policy_form import FIELDS, from_widget, to_policy, to_widget, value_at
from autoscaler.policy import Mode, Policy
from tests.app.console.fake_api import flat

SCHEMA = Policy.model_json_schema()
DEFAULT: dict[str, Any] = Policy().model_dump(mode="json")


def test_every_field_of_the_policy_is_in_the_form_once() -> None:
    assert sorted(field.path for field in FIELDS) == sorted(flat(DEFAULT))


def test_every_field_has_a_help_text_from_the_schema() -> None:
    assert all(policy_form.help_text(SCHEMA, field.path) for field in FIELDS)
    assert policy_form.help_text(SCHEMA, "slo.ttft_s") == "Time to first token, seconds. (> 0, ≤ 600)"
    assert policy_form.help_text(SCHEMA, "no.such") is None


def test_choices_are_those_of_the_policy() -> None:
    options = {field.path: field.options for field in FIELDS if field.kind == "choice"}
    assert options["mode"] == tuple(mode.value for mode in Mode)
    for tier in options["standby.tier"]:
        Policy.model_validate({"standby": {"tier": tier}})


@given(st.integers(1, 100), st.floats(0.1, 600), st.none() | st.floats(1, 1e6), st.none() | st.integers(0, 2**33))
def test_a_policy_survives_the_form(most: int, ttft_s: float, budget: float | None, until_s: int | None) -> None:
    mode = "auto" if until_s is None else "paused"
    policy = Policy.model_validate(
        {
            "mode": mode,
            "paused_until_s": until_s,
            "replicas": {"max": most},
            "slo": {"ttft_s": ttft_s},
            "budget_usd_per_hour": budget,
            "events": [{"name": "launch: x", "starts_at": "2026-12-01T14:00:00+01:00", "duration_s": 60, "factor": 3}],
        }
    ).model_dump(mode="json")
    values = {field.path: to_widget(field, value_at(policy, field.path)) for field in FIELDS}
    assert to_policy(policy, values) == policy


def test_what_the_form_does_not_show_is_kept() -> None:
    base = {"mode": "auto", "future": {"knob": 1}}
    assert to_policy(base, {"mode": "off"}) == {"mode": "off", "future": {"knob": 1}}
    assert base["mode"] == "auto"


def test_events_that_are_no_yaml_stay_text_so_that_the_server_names_them() -> None:
    field = next(field for field in FIELDS if field.kind == "yaml")
    assert from_widget(field, "") == [] and from_widget(field, "[oops") == "[oops"


def test_a_moment_is_read_as_utc() -> None:
    field = next(field for field in FIELDS if field.kind == "optional_moment")
    assert from_widget(field, to_widget(field, 1_800_000_000)) == 1_800_000_000.0
    assert from_widget(field, None) is None


def test_rebasing_carries_only_what_was_changed() -> None:
    base = to_policy(DEFAULT, {})
    mine = to_policy(DEFAULT, {"replicas.min": 5})
    theirs = to_policy(DEFAULT, {"replicas.max": 20, "mode": "off"})
    rebased = policy_form.rebased(base, mine, theirs)
    assert (rebased["replicas"]["min"], rebased["replicas"]["max"], rebased["mode"]) == (5, 20, "off")
