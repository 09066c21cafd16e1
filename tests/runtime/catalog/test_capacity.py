"""KV capacity: near the reference, monotone, never invented."""

from __future__ import annotations

from dataclasses import replace

from runtime.catalog.capacity import engine_limits, kv_tokens
from tests.runtime.catalog.samples import LLAMA_70B, UNKNOWN


def test_two_h100_hold_what_the_reference_estimates() -> None:
    assert 210_000 < (kv_tokens(LLAMA_70B) or 0) < 245_000


def test_more_gpus_hold_more_than_so_many_times() -> None:
    assert (kv_tokens(replace(LLAMA_70B, tensor_parallel=4)) or 0) > 2 * (kv_tokens(LLAMA_70B) or 0)


def test_weights_that_do_not_fit_leave_nothing_and_unknown_models_are_unknown() -> None:
    assert kv_tokens(replace(LLAMA_70B, tensor_parallel=1, gpu="L4")) == 0
    assert kv_tokens(UNKNOWN) is None


def test_limits_are_those_of_the_engine() -> None:
    assert [engine_limits(gpu) for gpu in ("L4", "A100", "H100", "B200")] == [
        (2048, 256),
        (2048, 256),
        (8192, 1024),
        (16384, 1024),
    ]
