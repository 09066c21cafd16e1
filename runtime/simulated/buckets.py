"""The histograms an engine keeps, with the bucket bounds of vLLM 0.32 (read off a live scrape)."""

from __future__ import annotations

import numpy as np

_LENGTH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_ITERATION = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_TTFT = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5),
    *(5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_PER_TOKEN = (
    *(
        0.01,
        0.025,
        0.05,
        0.075,
        0.1,
        0.15,
        0.2,
        0.3,
        0.4,
        0.5,
        0.75,
        1.0,
        2.5,
        5.0,
        7.5,
        10.0,
        20.0,
        40.0,
        80.0,
    ),
)
_REQUEST = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)

HISTOGRAMS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("request_prompt_tokens", _LENGTH),
    ("request_generation_tokens", _LENGTH),
    ("iteration_tokens_total", _ITERATION),
    ("request_max_num_generation_tokens", _LENGTH),
    ("request_params_n", (1, 2, 5, 10, 20)),
    ("request_params_max_tokens", _LENGTH),
    ("time_to_first_token_seconds", _TTFT),
    ("inter_token_latency_seconds", _PER_TOKEN),
    ("request_time_per_output_token_seconds", _PER_TOKEN),
    ("e2e_request_latency_seconds", _REQUEST),
    ("request_queue_time_seconds", _REQUEST),
    ("request_inference_time_seconds", _REQUEST),
    ("request_prefill_time_seconds", _REQUEST),
    ("request_decode_time_seconds", _REQUEST),
    ("request_num_preemptions", (1, 2, 3, 4, 5, 10, 20)),
    ("request_prefill_kv_computed_tokens", _LENGTH),
)
"""(name without the ``vllm:`` prefix, finite upper bounds), in the order of the engine's page."""

(
    PROMPT,
    GENERATION,
    ITERATION,
    MAX_GENERATION,
    PARAMS_N,
    PARAMS_MAX_TOKENS,
    TTFT,
    ITL,
    TPOT,
    E2E,
    QUEUE,
    INFERENCE,
    PREFILL_TIME,
    DECODE_TIME,
    PREEMPTIONS,
    PREFILL_COMPUTED,
) = range(len(HISTOGRAMS))

_WIDTH = 1 + max(len(bounds) for _, bounds in HISTOGRAMS)

BOUNDS = np.full((len(HISTOGRAMS), _WIDTH), np.inf)
"""Upper bounds, one row a histogram, filled up with +inf: shape (H, B)."""
for _row, (_, _bounds) in enumerate(HISTOGRAMS):
    BOUNDS[_row, : len(_bounds)] = _bounds
