"""Transfer keeps what neighbours have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.catalog.configuration import Configuration
from runtime.catalog.errors import CatalogError
from runtime.catalog.fit import numbers, step_of
from runtime.catalog.neighbours import Measured, distance, transfer
from runtime.catalog.roofline import expected
from tests.runtime.catalog.samples import LLAMA_70B, STEP, UNKNOWN

TP8 = replace(LLAMA_70B, tensor_parallel=8)
EIGHT_B = Configuration("vllm", "meta-llama/Llama-3.1-8B", "fp8", "L4", 1)


def measured(configuration: Configuration, factor: float = 1.2, error: float = 0.02) -> Measured:
    """Slower than the data sheet by that factor in everything."""
    return Measured(configuration, step_of(numbers(expected(configuration)) * factor), error)


def test_what_all_neighbours_have_in_common_is_kept() -> None:
    found = transfer(EIGHT_B, [measured(LLAMA_70B), measured(TP8)])
    assert numbers(found.step) == pytest.approx(1.2 * numbers(expected(EIGHT_B)))


def test_the_nearest_weighs_most_and_weights_sum_to_one() -> None:
    found = transfer(replace(LLAMA_70B, tensor_parallel=4), [measured(EIGHT_B), measured(TP8), measured(LLAMA_70B)])
    assert {found.sources[0][0], found.sources[1][0]} == {LLAMA_70B.name, TP8.name}
    weights = [weight for _, weight in found.sources]
    assert sum(weights) == pytest.approx(1) and weights == sorted(weights, reverse=True)


def test_a_configuration_is_not_its_own_neighbour() -> None:
    found = transfer(LLAMA_70B, [measured(LLAMA_70B, 9.0), measured(TP8, 1.1)])
    assert [name for name, _ in found.sources] == [TP8.name]


def test_poor_impossible_and_unknown_fits_are_not_passed_on() -> None:
    poor, impossible = measured(TP8, error=0.5), measured(TP8, 0.1)
    unknown = Measured(UNKNOWN, STEP, 0.01)
    found = transfer(LLAMA_70B, [poor, impossible, unknown, measured(EIGHT_B)])
    assert [name for name, _ in found.sources] == [EIGHT_B.name]
    with pytest.raises(CatalogError, match="nothing measured to transfer from"):
        transfer(LLAMA_70B, [poor, impossible, unknown])


def test_distance_is_symmetric_and_zero_at_home() -> None:
    moe = Configuration("trtllm", "openai/gpt-oss-120b", "fp4", "B200-SXM", 4, 1, 1, 4)
    assert distance(LLAMA_70B, LLAMA_70B) == 0
    assert distance(LLAMA_70B, moe) == distance(moe, LLAMA_70B) > distance(LLAMA_70B, EIGHT_B) > 0
