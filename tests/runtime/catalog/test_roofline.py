"""Expectations: near what was measured, and monotone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.catalog.configuration import Configuration
from runtime.catalog.roofline import expected, expected_or_none, kv_element_bytes, possible
from runtime.pool import StepTime
from tests.runtime.catalog.samples import LLAMA_70B, STEP, UNKNOWN


def test_expectation_is_near_what_was_measured() -> None:
    step = expected(LLAMA_70B)
    assert step.a_ms == pytest.approx(STEP.a_ms, rel=0.1)
    assert step.k_ms_per_1k_kv_tokens == pytest.approx(STEP.k_ms_per_1k_kv_tokens, rel=0.1)
    assert step.p_ms_per_1k_prefill_tokens == pytest.approx(STEP.p_ms_per_1k_prefill_tokens, rel=0.1)


def test_memory_bound_numbers_follow_bandwidth() -> None:
    h200, h100 = expected(replace(LLAMA_70B, gpu="H200-SXM")), expected(LLAMA_70B)
    assert h200.k_ms_per_1k_kv_tokens / h100.k_ms_per_1k_kv_tokens == pytest.approx(3.35 / 4.8)
    assert h200.p_ms_per_1k_prefill_tokens == h100.p_ms_per_1k_prefill_tokens
    assert h200.a_ms < h100.a_ms


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
def test_more_gpus_are_faster_but_less_than_so_many_times(tp: int) -> None:
    few, many = (expected(replace(LLAMA_70B, tensor_parallel=n)) for n in (tp, 2 * tp))
    for name in ("a_ms", "p_ms_per_1k_prefill_tokens"):
        assert getattr(few, name) / 2 < getattr(many, name) < getattr(few, name)


def test_keys_are_not_divided_beyond_their_heads() -> None:
    eight, sixteen = (expected(replace(LLAMA_70B, tensor_parallel=n)) for n in (8, 16))
    assert eight.k_ms_per_1k_kv_tokens == sixteen.k_ms_per_1k_kv_tokens


def test_experts_make_sequences_dear_and_the_base_cheap() -> None:
    moe = expected(Configuration("vllm", "openai/gpt-oss-120b", "fp4", "H100-SXM", 2))
    assert moe.b_ms_per_seq > expected(LLAMA_70B).b_ms_per_seq
    assert moe.a_ms < expected(LLAMA_70B).a_ms


def test_width_of_the_cache() -> None:
    assert kv_element_bytes(LLAMA_70B) == 2
    assert kv_element_bytes(replace(LLAMA_70B, gpu="B200-SXM")) == 1
    assert kv_element_bytes(replace(LLAMA_70B, engine="trtllm")) == 1
    assert kv_element_bytes(replace(LLAMA_70B, engine="trtllm", precision="bf16")) == 2


def test_nothing_beats_the_data_sheet() -> None:
    """70B in FP8 on two H100: 2·70.55e9·1000 FLOP at 2·1979 TFLOPS are 35.6 ms."""
    assert possible(LLAMA_70B, STEP) and possible(LLAMA_70B, StepTime(16.55, 0.04, 0.06, 36))
    assert not possible(LLAMA_70B, StepTime(16.55, 0.04, 0.06, 35))
    assert possible(UNKNOWN, StepTime(16.55, 0.04, 0.06, 0)) and expected_or_none(UNKNOWN) is None
