"""Adaptive prefill budget: as many prompt tokens as leave the step within the TPOT target, and no more.

The argument of Sarathi-Serve (arXiv 2403.02310): a prefill stalls every decode that shares its step, so its
share follows from the target. With ``a, b, k, p`` = 16.55, 0.041, 0.0581, 68.7 ms, 100 sequences with 100,000 tokens
and 50 ms that is (50 - 16.55 - 4.1 - 5.8) / 0.0687 = 342 tokens; with an empty batch nobody is stalled and the whole
budget is given. Never fewer than ``LEAST_TOKENS``, or prompts would not move at all.
"""

from __future__ import annotations

from runtime.simulated.jit import jit
from runtime.simulated.state import EngineState

LEAST_TOKENS = 64


@jit
def room(s: EngineState, row: int) -> int:
    """Prompt tokens that may be prefilled in this step."""
    rep = s.replicas[row]
    left = rep.budget - rep.decoding
    if rep.decoding == 0 or rep.p <= 0:
        return left
    decode_s = rep.a + rep.b * rep.decoding + rep.k * (rep.kv_tokens + rep.decoding)
    return min(left, max(LEAST_TOKENS, int((rep.tpot_s - decode_s) / rep.p)))
