"""Models by name, and what they weigh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.catalog.errors import CatalogError
from runtime.catalog.models import MODELS, WEIGHT_BYTES, known, model


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "meta-llama/Llama-3.1-8B"),
        ("Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-235B-A22B"),
        ("nvidia/DeepSeek-V3.1-NVFP4", "deepseek-ai/DeepSeek-V3"),
    ],
)
def test_copies_are_known(copy: str, original: str) -> None:
    assert model(copy).name == original


def test_kv_bytes_are_those_of_the_reference() -> None:
    assert model("meta-llama/Llama-3.1-8B").kv_bytes() == 131_072
    assert model("meta-llama/Llama-3.1-70B").kv_bytes() == 327_680


def test_an_unknown_model_is_answered_with_near_ones() -> None:
    assert known("acme/Secret-9B") is None
    with pytest.raises(CatalogError, match=r"near names: .*Llama-3.1-70B"):
        model("meta-llama/Llama-4-70B")


@given(st.sampled_from(list(MODELS)), st.sampled_from(list(WEIGHT_BYTES)), st.floats(1, 1e5))
def test_a_step_reads_from_the_active_weights_to_all(name: str, precision: str, tokens: float) -> None:
    shape = model(name)
    least = shape.active_b * WEIGHT_BYTES[precision]
    assert least * 0.999 <= shape.weight_gb_read(precision, tokens) <= shape.weight_gb(precision) * 1.001
