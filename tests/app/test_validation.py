"""Pydantic's errors in a person's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.settings import Settings
from app.validation import dotted, error_lines, unknown_key
from autoscaler.policy import Policy


def lines(document: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        Policy.model_validate(document)
    return error_lines(error.value, Policy)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"slo": {"attainment": 1.0}}, "slo.attainment: 1.0 is too large; give less than 1"),
        ({"replicas": 3}, "replicas: 3 is not a mapping; give keys and values below it"),
        ({"replicas": {"max": 2.5}}, "replicas.max: 2.5 is not an integer; give a whole number"),
        ({"standby": {"tier": "cold"}}, "standby.tier: 'cold' is not allowed; give text that matches"),
        ({"zebra": 1}, "zebra: unknown key; known here: budget_usd_per_hour, events, mode"),
        ([], "document: [] is not a mapping"),
        ({"paused_until_s": 5.0, "mode": "auto"}, "document: paused_until_s is set but mode is not paused"),
    ],
)
def test_an_error_names_the_place_and_what_is_right(document: Any, said: str) -> None:
    (line,) = lines(document)
    assert line.startswith(said)


def test_every_error_has_its_line() -> None:
    assert len(lines({"mode": "x", "slo": {"ttft_s": -1}, "zebra": 1})) == 3


def test_the_nearest_key_is_suggested_with_its_unit() -> None:
    assert unknown_key("timeout", ["timeout_s", "url"]) == "unknown key; did you mean timeout_s (in seconds)?"


def test_places_read_like_paths() -> None:
    assert dotted(("services", 0, "pools", 1, "name")) == "services[0].pools[1].name"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["services", "name", "policy", "pools", "mode", "slo", "replicas", "source", "api", "lead_times"]
)
DOCUMENT = st.recursive(JSON, lambda inner: st.dictionaries(KEYS, inner | st.lists(inner, max_size=2), max_size=4))


@given(DOCUMENT)
def test_whatever_is_wrong_has_words(document: Any) -> None:
    try:
        Settings.model_validate(document)
    except ValidationError as error:
        told = error_lines(error, Settings)
        assert told and all(": " in line for line in told)
