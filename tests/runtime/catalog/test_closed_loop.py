"""The simulated engine under a benchmark's load: the law, Little's law, and the cliff."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runtime.catalog as silicon
from runtime.catalog.closed_loop import FixedLoad, run
from runtime.catalog.fit import predict_tpot_ms
from runtime.pool import Pool, StepTime
from tests.runtime.catalog.samples import LLAMA_70B, row

STEP = StepTime(10.0, 0.1, 0.05, 50.0)
POOL = Pool("p", "s", "vllm", "H100-SXM", 2, 1.0, STEP, kv_blocks=20_000, max_batched_tokens=8192)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 32), st.integers(1, 4000), st.integers(64, 600))
def test_without_scarcity_it_obeys_the_law_and_littles(concurrency: int, prompt: int, answer: int) -> None:
    found = run(POOL, FixedLoad(concurrency, prompt, answer))
    law = predict_tpot_ms(STEP, [row(LLAMA_70B, (prompt, answer), concurrency)])[0]
    assert found.tpot_ms == pytest.approx(law, rel=0.1)
    lasts_s = (found.ttft_ms + (answer - 1) * found.tpot_ms) / 1000
    assert found.output_tokens_per_s_per_gpu == pytest.approx(concurrency * answer / lasts_s / 2, rel=0.05)
    assert found.preemptions == 0


def test_alone_every_token_takes_its_step() -> None:
    """One client: 10 + 0.1 + 0.05·(I + O/2)/1000 ms a token, and its own prefill to the first."""
    found = run(POOL, FixedLoad(1, 1000, 101))
    assert found.tpot_ms == pytest.approx(10.1 + 0.05 * 1.05, rel=1e-3)
    assert found.ttft_ms == pytest.approx(10 + 50, rel=0.01)


def test_the_cliff_of_the_reference() -> None:
    """70B on two H100, 8k/1k at C = 64: TTFT of tens of seconds (59.2 measured), TPOT 52.4 measured."""
    found = run(silicon.pool(LLAMA_70B.name, "s", 1.0), FixedLoad(64, 8192, 1024))
    assert 20_000 < found.ttft_ms < 100_000
    assert found.tpot_ms == pytest.approx(52.4, rel=0.1)
    assert run(silicon.pool(LLAMA_70B.name, "s", 1.0), FixedLoad(16, 8192, 1024)).ttft_ms < 2000


def test_what_can_never_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"320001 \+ 10 tokens never fits"):
        run(POOL, FixedLoad(1, 320_001, 10))
    with pytest.raises(ValueError, match="never fits"):
        run(POOL, FixedLoad(1, 130_000, 10_000))
