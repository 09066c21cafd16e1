"""Selectors as the API writes them."""

from __future__ import annotations

import pytest

from runtime.kubernetes.selectors import of_object, parse

LABELS = {"app": "vllm", "tier": "standby"}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("app=vllm", True),
        ("app == vllm,tier=standby", True),
        ("app=other", False),
        ("app!=other", True),
        ("missing!=x", True),
        ("app in (vllm, tgi),tier", True),
        ("missing in (x)", False),
        ("app notin (vllm)", False),
        ("missing notin (x)", True),
        ("!missing", True),
        ("!app", False),
        ("missing", False),
        ("app=", False),
        ("", False),
    ],
)
def test_a_selector_fits_or_not(text: str, fits: bool) -> None:
    assert parse(text)(LABELS) is fits


@pytest.mark.parametrize("text", ["a=b=c", "a in b", "a b"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="label selector"):
        parse(text)


def test_an_object_becomes_text_with_the_same_meaning() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["standby", "x"]},
        {"key": "app", "operator": "Exists"},
        {"key": "gone", "operator": "DoesNotExist"},
        {"key": "app", "operator": "NotIn", "values": ["tgi"]},
    ]
    text = of_object({"matchLabels": {"app": "vllm"}, "matchExpressions": expressions})
    assert parse(text)(LABELS) and not parse(text)({**LABELS, "gone": "1"})
    with pytest.raises(ValueError, match="give one of In, NotIn"):
        of_object({"matchExpressions": [{"key": "a", "operator": "Like"}]})
