"""The pages that a simulated fleet shows to collectors: vLLM 0.32's, dcgm-exporter's, and its gateway's own.

Names, types, labels and buckets are those of a live scrape of vLLM 0.32 and of dcgm-exporter 4.8's default
counters; help texts are our own. An engine's page is one template per model, filled in with its numbers, since
hundreds are read per tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from runtime.pool import Pool
from runtime.simulated.buckets import HISTOGRAMS
from runtime.simulated.gpus import Gpu
from runtime.simulated.state import EngineState

_FIELD = "\x00"
_CREATED = "\x01"
_REASONS = ("stop", "length", "abort", "error", "repetition")
_TOKEN_SOURCES = ("local_compute", "local_cache_hit", "external_kv_transfer")
_CACHE_SOURCES = ("device", "host", "p2p", "disk", "external_unspecified")
_GAUGES = ("num_requests_running", "num_requests_waiting")
_COUNTERS = (
    ("prefix_cache_queries", "Prompt tokens looked up in the prefix cache."),
    ("prefix_cache_hits", "Prompt tokens found in the prefix cache."),
    ("external_prefix_cache_queries", "Prompt tokens looked up in a cache of another process."),
    ("external_prefix_cache_hits", "Prompt tokens found in a cache of another process."),
    ("mm_cache_queries", "Multimodal items looked up."),
    ("mm_cache_hits", "Multimodal items found."),
    ("num_preemptions", "Requests put back to waiting for lack of KV blocks."),
    ("prompt_tokens", "Prompt tokens of requests that gave their first token."),
    ("prompt_tokens_cached", "Prompt tokens that needed no computing."),
    ("generation_tokens", "Tokens generated."),
    ("estimated_flops_per_gpu", "Floating-point operations, estimated."),
    ("estimated_read_bytes_per_gpu", "Bytes read from memory, estimated."),
    ("estimated_write_bytes_per_gpu", "Bytes written to memory, estimated."),
)


def _number(value: float) -> str:
    return repr(float(value))


class _Template:
    """Lines with holes: ``add`` appends a family, ``text`` joins them once."""

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.lines: list[str] = []

    def family(self, name: str, kind: str, text: str, rows: Iterable[str] = ("",)) -> None:
        """A gauge or counter with one hole per label set (given without braces, after the common labels)."""
        self.lines.append(f"# HELP vllm:{name} {text}")
        self.lines.append(f"# TYPE vllm:{name} {kind}")
        for extra in rows:
            self.lines.append(f"vllm:{name}{{{self.labels}{extra}}} {_FIELD}")
        if kind == "counter":
            self._created(name.removesuffix("_total"), text, rows)

    def _created(self, name: str, text: str, rows: Iterable[str] = ("",)) -> None:
        self.lines.append(f"# HELP vllm:{name}_created {text}")
        self.lines.append(f"# TYPE vllm:{name}_created gauge")
        self.lines += [f"vllm:{name}_created{{{self.labels}{extra}}} {_CREATED}" for extra in rows]

    def histogram(self, name: str, bounds: Sequence[float]) -> None:
        """A histogram with a hole per bucket, for the count and for the sum."""
        self.lines.append(f"# HELP vllm:{name} Histogram of {name.replace('_', ' ')}.")
        self.lines.append(f"# TYPE vllm:{name} histogram")
        for bound in [*map(float, bounds), None]:
            edge = "+Inf" if bound is None else repr(bound)
            self.lines.append(f'vllm:{name}_bucket{{engine="0",le="{edge}",{self.labels[11:]}}} {_FIELD}')
        self.lines.append(f"vllm:{name}_count{{{self.labels}}} {_FIELD}")
        self.lines.append(f"vllm:{name}_sum{{{self.labels}}} {_FIELD}")
        self._created(name, f"Start of {name}.")


def _config_labels(pool: Pool) -> str:
    config = {
        "block_size": pool.block_tokens,
        "cache_dtype": "auto",
        "enable_prefix_caching": str(pool.prefix_caching),
        "engine": "0",
        "gpu_memory_utilization": "0.92",
        "kv_cache_size_tokens": pool.kv_tokens,
        "num_cpu_blocks": "None",
        "num_gpu_blocks": pool.kv_blocks,
    }
    return ",".join(f'{key}="{value}"' for key, value in config.items())


@lru_cache(maxsize=64)
def _engine_template(model: str, pool_labels: str) -> str:
    t = _Template(f'engine="0",model_name="{model}"')
    for name, text in _COUNTERS:
        t.family(f"{name}_total", "counter", text)
    t.family("num_requests_running", "gauge", "Requests in the batch.")
    t.family("num_requests_waiting", "gauge", "Requests in the waiting line.")
    reasons = [f',reason="{r}"' for r in ("capacity", "deferred")]
    t.family("num_requests_waiting_by_reason", "gauge", "Waiting requests by reason.", reasons)
    states = [f',sleep_state="{s}"' for s in ("awake", "weights_offloaded", "discard_all")]
    t.family("engine_sleep_state", "gauge", "1 for the state the engine is in.", states)
    t.family("kv_cache_usage_perc", "gauge", "Share of KV blocks in use, 0 to 1.")
    sources = [f',source="{s}"' for s in _TOKEN_SOURCES]
    t.family("prompt_tokens_by_source_total", "counter", "Prompt tokens by where they came from.", sources)
    sources = [f',source="{s}"' for s in _CACHE_SOURCES]
    t.family("prompt_tokens_cached_by_source_total", "counter", "Cached prompt tokens by cache.", sources)
    reasons = [f',finished_reason="{r}"' for r in _REASONS]
    t.family("request_success_total", "counter", "Requests ended, by reason.", reasons)
    t.labels = f'model_name="{model}"'
    reasons = [f',reason="{r}"' for r in ("max_num_queued_reqs", "max_num_queued_tokens")]
    t.family("admission_rejections_total", "counter", "Requests refused at the door.", reasons)
    t.labels = f'engine="0",model_name="{model}"'
    for name, bounds in HISTOGRAMS:
        t.histogram(name, bounds)
    t.lines.append("# HELP vllm:cache_config_info Configuration of the KV cache.")
    t.lines.append("# TYPE vllm:cache_config_info gauge")
    t.lines.append(f"vllm:cache_config_info{{{pool_labels}}} 1.0")
    return "\n".join(t.lines).replace("%", "%%").replace(_FIELD, "%s") + "\n"


def engine_page(state: EngineState, row: int, pool: Pool, asleep: bool, created_s: float) -> str:
    """``/metrics`` of one engine that started at ``created_s``, as vLLM 0.32 writes it."""
    e: Any = state.replicas[row]
    prompt, cached, waiting = int(e["prompt_tokens"]), int(e["prompt_tokens_cached"]), int(e["waiting"])
    values: list[float] = [int(e["prefix_queries_tokens"]), int(e["prefix_hits_tokens"]), 0, 0, 0, 0]
    values += [int(e["preemptions"]), prompt, cached, int(e["generation_tokens"])]
    values += [0, 0, 0, int(e["running"]), waiting, waiting, 0]
    values += [float(not asleep), float(asleep), 0, float(e["used_blocks"] / e["usable_blocks"])]
    values += [prompt - cached, cached, 0, cached, 0, 0, 0, 0]
    values += [int(e["stopped"]), int(e["length_capped"]), int(e["aborted"]), 0, 0]
    values += [0, 0]
    cumulative = np.cumsum(state.hist[row], axis=1)
    sums = state.hist_sum[row].tolist()
    for i, (_, bounds) in enumerate(HISTOGRAMS):
        counts = cumulative[i, : len(bounds) + 1].tolist()
        values += [*counts, counts[-1], sums[i]]
    page = _engine_template(pool.service, _config_labels(pool)) % tuple(map(_number, values))
    return page.replace(_CREATED, _number(created_s))


_DCGM: tuple[tuple[str, str, str], ...] = (
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C)."),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W)."),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Energy since boot (in mJ)."),
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %)."),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Last XID error."),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB)."),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB)."),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Double-bit ECC errors since boot."),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Share of time the graphics engine was active."),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Share of cycles the tensor pipe was active."),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Share of cycles memory moved data."),
)


def _dcgm_values(gpu: Gpu) -> tuple[float, ...]:
    decode = gpu.busy_ratio - gpu.prefill_ratio
    used = round(gpu.memory_ratio * gpu.spec.memory_mib)
    return (
        gpu.temperature_celsius,
        gpu.power_watts,
        round(gpu.energy_joules * 1000),
        round(100 * gpu.busy_ratio),
        gpu.xid,
        gpu.spec.memory_mib - used,
        used,
        gpu.ecc_double_bit,
        gpu.busy_ratio,
        0.6 * gpu.prefill_ratio + 0.08 * decode,
        0.3 * gpu.prefill_ratio + 0.7 * decode,
    )


def node_page(gpus: Sequence[Gpu]) -> str:
    """``/metrics`` of one node's dcgm-exporter (4.8 names and units, pod labels on)."""
    lines = []
    values = [_dcgm_values(gpu) for gpu in gpus]
    for i, (name, kind, text) in enumerate(_DCGM):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for gpu, row in zip(gpus, values, strict=True):
            pod = f',container="engine",namespace="default",pod="{gpu.replica}"' if gpu.replica else ""
            lines.append(
                f'{name}{{gpu="{gpu.index}",UUID="{gpu.uuid}",device="nvidia{gpu.index}",'
                f'modelName="{gpu.spec.model}",Hostname="{gpu.node}"{pod}}} {row[i]}'
            )
    return "\n".join(lines) + "\n"


def gateway_page(rows: Iterable[tuple[str, *tuple[int, ...]]]) -> str:
    """The router's own page, from (service, held now, rejected, arrived, ended, attained) per service; what a row
    leaves out at its end is not shown.
    """
    rows = list(rows)
    lines = []
    families = (
        ("leadtime_gateway_requests_held", "gauge", "Requests that wait for a replica to exist."),
        ("leadtime_gateway_requests_rejected_total", "counter", "Requests turned away."),
        ("leadtime_gateway_requests_arrived_total", "counter", "Requests that came."),
        ("leadtime_gateway_requests_ended_total", "counter", "Requests whose fate is known, rejected ones too."),
        ("leadtime_gateway_requests_attained_total", "counter", "Requests that kept the latency promise."),
    )
    for i, (name, kind, text) in enumerate(families):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        lines += [f'{name}{{service="{row[0]}"}} {row[i + 1]}' for row in rows if i + 1 < len(row)]
    return "\n".join(lines) + "\n"
