"""Selectors as the API writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kubernetes.selectors import Claims, of_object, parse

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


VALUES = st.sampled_from(["x", "y", ""])
TERMS = st.sampled_from(["a=x", "a==y", "b=x", "b=", "a!=x", "b in (x, y)", "b notin (x)", "a", "!b"])


@given(
    texts=st.lists(st.lists(TERMS, max_size=3).map(",".join), max_size=5),
    labels=st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES),
)
def test_the_owner_is_the_first_that_fits(texts: list[str], labels: dict[str, str]) -> None:
    fitting = [place for place, text in enumerate(texts) if parse(text)(labels)]
    assert Claims((text, place) for place, text in enumerate(texts)).owner(labels) == min(fitting, default=None)
