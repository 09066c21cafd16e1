"""Pydantic's JSON Schema becomes what a CustomResourceDefinition takes, and nothing is lost on the way."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from app.manifests.structural import structural


class Inner(BaseModel):
    """Two
    lines."""

    share: float = Field(0.5, gt=0, le=1)


class Outer(BaseModel):
    kind: Literal["a", "b"] = "a"
    inner: Inner = Inner()
    maybe: int | None = Field(None, ge=1, description="Perhaps.")
    many: tuple[Inner, ...] = ()


def test_references_are_inlined_with_their_words_and_defaults() -> None:
    inner = structural(Outer, 9)["properties"]["inner"]
    assert inner["description"] == "Two lines." and inner["default"] == {"share": 0.5}
    assert inner["properties"]["share"] == {
        "type": "number",
        "default": 0.5,
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
    }


def test_none_is_absence() -> None:
    assert structural(Outer, 9)["properties"]["maybe"] == {"type": "integer", "minimum": 1, "description": "Perhaps."}


def test_lists_are_bounded() -> None:
    many = structural(Outer, 9)["properties"]["many"]
    assert many["maxItems"] == 9 and many["default"] == [] and many["items"]["type"] == "object"


def test_enums_keep_their_values() -> None:
    assert structural(Outer, 9)["properties"]["kind"] == {"type": "string", "enum": ["a", "b"], "default": "a"}


def test_what_cannot_be_carried_over_is_an_error() -> None:
    class Either(BaseModel):
        value: int | str

    class Multiple(BaseModel):
        value: int = Field(multiple_of=2)

    with pytest.raises(ValueError, match="anyOf"):
        structural(Either, 9)
    with pytest.raises(ValueError, match="multipleOf"):
        structural(Multiple, 9)
