"""What step times rest on: measured where trusted, else transferred, with the error that is known of it."""

from __future__ import annotations

import pytest

from autoscaler.planning.basis import HELD_OUT, basis, differences, piped, scaled
from runtime.catalog import CatalogError, find
from runtime.catalog.configuration import Configuration
from runtime.catalog.store import configuration
from tests.autoscaler.planning.cases import STEP

LLAMA = "meta-llama/Llama-3.1-70B"


def test_a_measured_entry_brings_its_own_error() -> None:
    entry, rests = basis(configuration(LLAMA, "fp8", "H100", 2))
    assert entry.step == find("vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2").step
    assert rests.measured and rests.error == pytest.approx(0.01465) and not rests.at_least


def test_another_parallel_size_has_the_error_of_such_transfers() -> None:
    _, rests = basis(configuration(LLAMA, "fp8", "H200", 4))
    assert not rests.measured and HELD_OUT["parallel size"][0] < rests.error < 0.11 and not rests.at_least
    assert rests.words.startswith(
        "transferred to another parallel size from vllm/meta-llama/Llama-3.1-70B/fp8/H200-SXM"
    )


def test_what_was_never_held_out_makes_the_error_a_floor() -> None:
    _, rests = basis(configuration(LLAMA, "bf16", "H100", 2))
    assert rests.at_least and "precision" in rests.words


def test_impossible_measurements_are_not_believed() -> None:
    entry, rests = basis(configuration("meta-llama/Llama-3.1-8B", "fp8", "H200", 1))
    assert not rests.measured and "faster than the GPU can" in rests.words and entry.possible


def test_disagreeing_measurements_are_not_believed() -> None:
    _, rests = basis(Configuration("trtllm", "Qwen/Qwen3-32B", "bf16", "GB200", 2))
    assert not rests.measured and "do not agree" in rests.words


def test_stages_are_never_called_measured() -> None:
    entry, rests = basis(configuration(LLAMA, "fp8", "H100", 2), stages=2)
    assert not rests.measured and rests.at_least and "2 pipeline stages" in rests.words
    assert entry.step.a_ms == pytest.approx(16.8)


def test_a_pipeline_shares_the_work_and_not_the_latency() -> None:
    made = piped(STEP, 4)
    assert made.a_ms == pytest.approx(20.3) and made.work_ms(1000, 200) == pytest.approx(STEP.work_ms(1000, 200) / 4)


def test_an_error_scales_all_four_numbers() -> None:
    assert scaled(STEP, 1.1).step_ms(10, 5000, 100) == pytest.approx(1.1 * STEP.step_ms(10, 5000, 100))


def test_differences_leave_versions_out() -> None:
    one = Configuration("vllm", LLAMA, "fp8", "H100-SXM", 2)
    other = Configuration("vllm", LLAMA, "bf16", "H200-SXM", 4, engine_version="0.19")
    assert differences(one, other) == ("GPU", "parallel size", "precision")


def test_an_unknown_model_is_one_line() -> None:
    with pytest.raises(CatalogError, match="model 'acme/Secret-9B' is not known; near names"):
        basis(Configuration("vllm", "acme/Secret-9B", "fp8", "H100-SXM", 2))
