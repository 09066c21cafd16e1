"""What each engine calls our signals: one table per engine, first name found wins.

To add an engine, write one ``Engine`` and put it into ``ENGINES``. The tables are all that knows metric
names: the direct scrape and the Prometheus source both read through them. Renames: vLLM 0.6 to 0.32, SGLang
with and without ``inter_token_latency``, TensorRT-LLM behind Triton and behind trtllm-serve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.exposition import Page, Wanted, parse
from collectors.observation import Gap, Histogram, ReplicaSample
from collectors.readings import LabelProduct, Mean, Product, Reading, Total, read_histogram, series_names


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine's table.

    ``scalars`` and ``histograms`` map fields of ``ReplicaSample`` to where they may be found, in order of
    preference (``awake`` stands for ``sleeping``: above zero means not asleep). ``required`` fields are a
    gap where they are missing; others may be absent in some version. ``shards`` are labels that split one
    replica.
    """

    scalars: Mapping[str, tuple[Reading, ...]]
    histograms: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    shards: tuple[str, ...] = ()
    wanted: Wanted = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        names = {n for found in self.scalars.values() for reading in found for n in reading.names}
        families = {family for found in self.histograms.values() for family in found}
        wanted = Wanted(frozenset(names), frozenset(families), over=frozenset(self.shards))
        object.__setattr__(self, "wanted", wanted)

    @property
    def names(self) -> tuple[str, ...]:
        """Every sample name that the table looks at."""
        parts = {name for family in self.wanted.histograms for name in series_names(family)}
        return tuple(sorted(self.wanted.scalars | parts))

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that the table looks at."""
        chosen = {lb for found in self.scalars.values() for reading in found for lb in reading.labels}
        return tuple(sorted(chosen | set(self.shards) | {"le"}))

    @property
    def anchor(self) -> tuple[str, ...]:
        """Names whose age is the age of the whole page."""
        return tuple(name for reading in self.scalars["running"] for name in reading.names)


_ABORTED = ("abort",)

VLLM = Engine(
    scalars={
        "running": (Total("vllm:num_requests_running"),),
        "waiting": (Total("vllm:num_requests_waiting"),),
        "kv_usage_ratio": (Mean("vllm:kv_cache_usage_perc"), Mean("vllm:gpu_cache_usage_perc")),
        "kv_capacity_tokens": (LabelProduct("vllm:cache_config_info", "num_gpu_blocks", "block_size"),),
        "awake": (Total("vllm:engine_sleep_state", "sleep_state", ("awake",)),),
        "input_tokens": (Total("vllm:prompt_tokens_total"),),
        "cached_tokens": (
            Total("vllm:prompt_tokens_cached_total"),
            Total("vllm:prefix_cache_hits_total"),
            Total("vllm:gpu_prefix_cache_hits_total"),
        ),
        "output_tokens": (Total("vllm:generation_tokens_total"),),
        "completed": (Total("vllm:request_success_total", "finished_reason", _ABORTED, negate=True),),
        "aborted": (Total("vllm:request_success_total", "finished_reason", _ABORTED),),
        "preemptions": (Total("vllm:num_preemptions_total"),),
        "rejected": (Total("vllm:admission_rejections_total"),),
        "iterations": (Total("vllm:iteration_tokens_total_count"),),
    },
    histograms={
        "ttft": ("vllm:time_to_first_token_seconds",),
        "itl": ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
        "tpot": ("vllm:request_time_per_output_token_seconds",),
        "output_lengths": ("vllm:request_generation_tokens",),
    },
    required=("running", "waiting", "kv_usage_ratio", "input_tokens", "output_tokens", "completed"),
    shards=("engine", "model_name", "reason"),
)

SGLANG = Engine(
    scalars={
        "running": (Total("sglang:num_running_reqs"),),
        "waiting": (Total("sglang:num_queue_reqs"),),
        "kv_usage_ratio": (Mean("sglang:token_usage"),),
        "kv_capacity_tokens": (
            Total("sglang:max_total_num_tokens"),
            LabelProduct("sglang:cache_config_info", "num_pages", "page_size"),
        ),
        "input_tokens": (Total("sglang:prompt_tokens_total"),),
        "cached_tokens": (Total("sglang:cached_tokens_total"),),
        "output_tokens": (Total("sglang:generation_tokens_total"),),
        "completed": (Total("sglang:num_requests_total"),),
        "aborted": (Total("sglang:num_aborted_requests_total"),),
        "preemptions": (Total("sglang:num_retracted_requests_total"),),
    },
    histograms={
        "ttft": ("sglang:time_to_first_token_seconds",),
        "itl": ("sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"),
        "output_lengths": ("sglang:generation_tokens_histogram",),
    },
    required=("running", "waiting", "kv_usage_ratio", "input_tokens", "output_tokens", "completed"),
    shards=("dp_rank", "model_name", "cache_source"),
)

TGI = Engine(
    scalars={
        "running": (Total("tgi_batch_current_size"),),
        "waiting": (Total("tgi_queue_size"),),
        "input_tokens": (Total("tgi_request_input_length_sum"),),
        "output_tokens": (Total("tgi_request_generated_tokens_sum"),),
        "completed": (Total("tgi_request_success"), Total("tgi_request_count")),
        "rejected": (Total("tgi_request_failure", "err", ("overloaded",)),),
    },
    histograms={
        "tpot": ("tgi_request_mean_time_per_token_duration",),
        "output_lengths": ("tgi_request_generated_tokens",),
    },
    required=("running", "waiting", "completed"),
    shards=("method",),
)

_BLOCKS = "nv_trt_llm_kv_cache_block_metrics"
_REQUESTS = "nv_trt_llm_request_metrics"

TRTLLM = Engine(
    scalars={
        "running": (
            Total("trtllm_num_requests_running"),
            Total(_REQUESTS, "request_type", ("scheduled",)),
        ),
        "waiting": (
            Total("trtllm_num_requests_waiting"),
            Total(_REQUESTS, "request_type", ("waiting",)),
        ),
        "kv_usage_ratio": (
            Mean("trtllm_kv_cache_utilization"),
            Mean(_BLOCKS, "kv_cache_block_type", ("fraction",)),
        ),
        "kv_capacity_tokens": (
            Product(Total("trtllm_kv_cache_max_blocks"), Total("trtllm_kv_cache_tokens_per_block")),
            Product(
                Total(_BLOCKS, "kv_cache_block_type", ("max",)),
                Total(_BLOCKS, "kv_cache_block_type", ("tokens_per",)),
            ),
        ),
        "completed": (Total("trtllm_request_success_total"),),
    },
    histograms={
        "ttft": ("trtllm_time_to_first_token_seconds",),
        "tpot": ("trtllm_time_per_output_token_seconds",),
    },
    required=("running", "waiting", "kv_usage_ratio"),
    shards=("model", "model_name", "version"),
)

ENGINES: Mapping[str, Engine] = {"vllm": VLLM, "sglang": SGLANG, "tgi": TGI, "trtllm": TRTLLM}


def read_engine(engine: str, replica: str, page: bytes, at_s: float) -> tuple[ReplicaSample, tuple[Gap, ...]]:
    """One scraped page as a sample, with a gap for all that should be there and is not.

    Raises KeyError for an engine that has no table.
    """
    table = ENGINES[engine]
    return sample_of(engine, replica, parse(page, table.wanted), at_s)


def sample_of(engine: str, replica: str, page: Page, at_s: float) -> tuple[ReplicaSample, tuple[Gap, ...]]:
    """As ``read_engine``, of a page that is already parsed."""
    table = ENGINES[engine]
    if not page.samples:
        return ReplicaSample(replica, at_s), (Gap(replica, f"no {engine} metric on its page"),)
    gaps = [Gap(replica, f"{gap.subject}: {gap.reason}") for gap in page.gaps]
    numbers = dict(_numbers(table, page))
    gaps += [
        Gap(replica, f"{name} is {value}")
        for name, value in numbers.items()
        if value is not None and not math.isfinite(value)
    ]
    gaps += [Gap(replica, f"{name} is missing") for name in table.required if numbers[name] is None]
    fields: dict[str, Any] = {n: v for n, v in numbers.items() if v is not None and math.isfinite(v)}
    awake = fields.pop("awake", None)
    fields |= _histograms(table, page, replica, gaps)
    sleeping = None if awake is None else awake == 0
    return ReplicaSample(replica, at_s, sleeping=sleeping, **fields), tuple(gaps)


def blank(sample: ReplicaSample) -> bool:
    """Whether the sample says nothing about load, so that its replica was not seen."""
    return sample.running is None and sample.waiting is None and sample.completed is None


def _numbers(table: Engine, page: Page) -> Iterator[tuple[str, float | None]]:
    for name, readings in table.scalars.items():
        values = (reading.read(page) for reading in readings)
        yield name, next((value for value in values if value is not None), None)


def _histograms(table: Engine, page: Page, replica: str, gaps: list[Gap]) -> dict[str, Histogram]:
    found: dict[str, Histogram] = {}
    for name, families in table.histograms.items():
        for family in families:
            try:
                histogram = read_histogram(page, family)
            except ValueError as problem:
                gaps.append(Gap(replica, f"{family}: {problem}"))
                break
            if histogram is not None:
                found[name] = histogram
                break
    return found
