"""Routers on real engines: the load that all get, and what is counted of it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.routing_vllm import SETTLE_S, figures, load
from runtime.local.model import MAX_TOKENS
from runtime.traces.replay import Answered, Fate


@pytest.mark.parametrize("seed", range(3))
def test_the_load_is_of_sessions_that_fit_the_model_at_about_the_rate(seed: int) -> None:
    trace = load(5.0, 120.0, seed)
    assert trace.session is not None and trace.prefix_tokens is not None
    assert trace.arrival_s[0] >= 0 and trace.arrival_s[-1] < 120
    assert 0.7 < trace.requests / 600 < 1.4
    assert (trace.input_tokens + trace.output_tokens).max() <= MAX_TOKENS
    assert np.bincount(trace.session)[1:].max() > 3, "prompts come back, longer"
    assert trace.prefix_tokens.sum() > 0.7 * trace.input_tokens.sum()


def answered(due_s: float, ttft_s: float, fate: Fate = Fate.SERVED) -> Answered:
    return Answered(due_s, due_s, due_s + ttft_s, due_s + ttft_s + 1.0, 10, 11, 11, fate)


def test_requests_that_fill_the_caches_are_not_counted_and_lost_ones_have_no_times() -> None:
    late = SETTLE_S + 1
    told = figures([answered(0.0, 9.0), answered(late, 1.0), answered(late, 3.0), answered(late, 50.0, Fate.LOST)])
    assert told["requests"] == 3 and told["lost"] == 1
    assert told["ttft_mean_s"] == pytest.approx(2.0) and told["tpot_mean_s"] == pytest.approx(0.1)
