"""Memory of a GPU: the catalogue's estimate taken apart, and pipelines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.planning.memory import memory
from runtime.catalog import hardware
from runtime.catalog.capacity import kv_tokens
from runtime.catalog.configuration import Configuration
from runtime.catalog.models import MODELS

LLAMA = "meta-llama/Llama-3.1-70B"


def config(gpu: str = "H100-SXM", precision: str = "fp8", tp: int = 2, model: str = LLAMA) -> Configuration:
    return Configuration("vllm", model, precision, gpu, tp)


def test_by_hand() -> None:
    """70.55 GB over two GPUs are 32.85 GiB each; 0.92 of 79.6 GiB are 73.23; 3.9 GB are 3.63 GiB."""
    made = memory(config())
    assert made.weights_gib == pytest.approx(32.85, abs=0.01)
    assert made.overhead_gib == pytest.approx(3.63, abs=0.01)
    assert made.kv_gib == pytest.approx(73.23 - 32.85 - 3.63, abs=0.01)
    assert made.fits and made.kv_tokens == kv_tokens(config())


def test_what_is_too_large_has_no_room_and_says_so() -> None:
    made = memory(config(precision="bf16", tp=1))
    assert not made.fits and made.kv_tokens == 0 and made.weights_gib == pytest.approx(131.4, abs=0.1)


@given(
    st.sampled_from(sorted(MODELS)),
    st.sampled_from(sorted(hardware.GPUS)),
    st.sampled_from(["bf16", "fp8", "fp4"]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2, 4]),
)
def test_the_parts_are_the_whole(model: str, gpu: str, precision: str, tp: int, stages: int) -> None:
    made = memory(config(gpu, precision, tp, model), stages)
    if made.fits:
        parts = made.weights_gib + made.overhead_gib + made.kv_gib + made.free_gib
        assert parts == pytest.approx(made.total_gib)
    else:
        assert made.kv_tokens == 0
    if stages == 1:
        assert made.kv_tokens == pytest.approx(kv_tokens(config(gpu, precision, tp, model)), abs=1)


def test_stages_divide_weights_and_keys_alike() -> None:
    one, two = memory(config(tp=2)), memory(config(tp=2), stages=2)
    assert two.weights_gib == pytest.approx(one.weights_gib / 2)
    per_token = [made.kv_gib / made.kv_tokens for made in (one, two)]
    assert per_token[1] == pytest.approx(per_token[0] / 2, rel=1e-4)


def test_groups_that_share_nothing_have_room_of_their_own() -> None:
    alone = Configuration("vllm", "deepseek-ai/DeepSeek-R1", "fp8", "H200-SXM", 8, 1, 1, 8)
    groups = Configuration("vllm", "deepseek-ai/DeepSeek-R1", "fp8", "H200-SXM", 1, 8, 1, 8)
    assert memory(groups).kv_tokens == pytest.approx(8 * memory(alone).kv_tokens, rel=1e-4)
