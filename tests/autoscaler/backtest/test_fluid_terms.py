"""The fluid model's terms of a policy on a pool."""

from __future__ import annotations

import pytest

from autoscaler.backtest.fluid_terms import terms
from autoscaler.policy import Policy
from tests.autoscaler.cases import AUTO, POOL


@pytest.mark.parametrize("bin_s", [1.0, 3.0, 15.0])
def test_a_start_takes_its_lead_time_in_bins_of_any_length(bin_s: float) -> None:
    lasts_s = terms(POOL, AUTO, bin_s, first=2, least=1).launch_bins * bin_s
    assert 120.0 <= lasts_s <= 180.0  # between the pool's median and 90th percentile


def test_a_target_below_an_empty_step_leaves_hardly_anything_and_never_less_than_nothing() -> None:
    strict = Policy.model_validate({"slo": {"tpot_s": POOL.step.a_ms / 2000}})
    assert 0 < terms(POOL, strict, 60.0, first=2, least=1).tpot_erlangs < 0.01
