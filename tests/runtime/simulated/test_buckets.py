"""The table of bounds that the kernel reads holds what the page says."""

from __future__ import annotations

import numpy as np

from runtime.simulated import buckets


def test_rows_hold_the_bounds_and_end_in_infinity() -> None:
    for row, (_, bounds) in zip(buckets.BOUNDS, buckets.HISTOGRAMS, strict=True):
        assert row[: len(bounds)].tolist() == list(bounds)
        assert len(bounds) < len(row)
        assert np.isinf(row[len(bounds) :]).all()
        assert (np.diff(row[: len(bounds)]) > 0).all()


def test_each_index_names_its_histogram() -> None:
    names = [name for name, _ in buckets.HISTOGRAMS]
    assert names[buckets.TTFT] == "time_to_first_token_seconds"
    assert names[buckets.ITL] == "inter_token_latency_seconds"
    assert names[buckets.TPOT] == "request_time_per_output_token_seconds"
    assert names[buckets.GENERATION] == "request_generation_tokens"
    assert names[buckets.PREFILL_COMPUTED] == "request_prefill_kv_computed_tokens"
