"""The four numbers that a GPU's data sheet and a model's shape lead one to expect.

They rank configurations, they do not predict them: transfer takes their *ratios* between a measured configuration
and one that was not, and a fit leans on them where measurements leave a number open.

    a = LAYER_MS·layers + weights read by a small batch / bandwidth
    b = SEQ_MS·layers + growth of the weights read (experts) / bandwidth
    k = KV_FACTOR·KV bytes / bandwidth
    p = FLOPs / (MFU·rate) + all-reduce bytes / link

The constants are efficiencies set once on the dense configurations of the catalogue (reference 4.1 gives MFU .61-.72
and MBU .58-.82 for other engines): memory and link at their data-sheet rate, and a fixed 0.07 ms a layer for
launches and all-reduce latency.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.catalog import hardware
from runtime.catalog.configuration import Configuration
from runtime.catalog.hardware import Gpu
from runtime.catalog.models import Model, known, model
from runtime.pool import StepTime

LAYER_MS = 0.07
SEQ_MS = 0.0007
KV_FACTOR = 1.2
LINK_SHARE = 0.7
MFU: Mapping[str, float] = {"bf16": 0.75, "fp16": 0.75, "fp8": 0.6, "fp4": 0.4, "int4": 0.75}
SMALL_BATCH, LARGE_BATCH = 4, 64


def kv_element_bytes(configuration: Configuration) -> float:
    """Bytes of one number in the KV cache: 2, but 1 with quantised weights on Blackwell and in TensorRT-LLM.

    The measurements do not say it; it is inferred from them. TensorRT-LLM's k on H200 is half of what 2 bytes need,
    and Blackwell's rows of 8k/1k at C = 64 find room only so.
    """
    quantised = configuration.precision not in ("bf16", "fp16")
    return 1.0 if quantised and (hardware.gpu(configuration.gpu).blackwell or configuration.engine == "trtllm") else 2.0


def kv_shards(shape: Model, configuration: Configuration) -> int:
    """Over how many GPUs one token's keys and values are spread; heads cannot be divided further."""
    return min(configuration.tensor_parallel, shape.kv_heads)


def expected(configuration: Configuration) -> StepTime:
    """The four numbers, ms. Raises CatalogError for a model or a GPU that is not known."""
    shape, gpu = model(configuration.model), hardware.gpu(configuration.gpu)
    gpus, precision = configuration.gpus, configuration.precision
    to_ms = 1 / (gpus * gpu.bandwidth_tb_s)  # GB over TB/s is ms
    small, large = (shape.weight_gb_read(precision, n) * to_ms for n in (SMALL_BATCH, LARGE_BATCH))
    growth = (large - small) / (LARGE_BATCH - SMALL_BATCH)
    kv_gb = 1e-6 * shape.kv_bytes(kv_element_bytes(configuration)) / kv_shards(shape, configuration)
    return StepTime(
        LAYER_MS * shape.layers + small - SMALL_BATCH * growth,
        SEQ_MS * shape.layers + growth,
        KV_FACTOR * kv_gb / configuration.data_parallel / gpu.bandwidth_tb_s,
        _prefill_ms(shape, gpu, configuration),
    )


def _prefill_ms(shape: Model, gpu: Gpu, configuration: Configuration) -> float:
    """Per 1,000 tokens: two FLOPs per active parameter, and two all-reduces a layer of 2-byte activations."""
    gpus = configuration.gpus
    # 2·1e9·1000 FLOP over 1e12 FLOP/s is 2 s = 2000 ms, per billion parameters and TFLOPS.
    compute = 2000 * shape.active_b / (gpus * gpu.tflops_at(configuration.precision) * MFU[configuration.precision])
    sent_gb = shape.layers * 2 * shape.hidden * 2 * 1000 / 1e9 * 2 * (1 - 1 / gpus)
    return compute + sent_gb / (gpu.link_tb_s * LINK_SHARE)


def possible(configuration: Configuration, step: StepTime) -> bool:
    """Whether prefill takes at least its FLOPs at the full data-sheet rate.

    Otherwise prompts came from a cache, or the fit put a part of ``p`` into ``k``.

    True for a model that is not known.
    """
    shape = known(configuration.model)
    if shape is None:
        return True
    rate = configuration.gpus * hardware.gpu(configuration.gpu).tflops_at(configuration.precision)
    return step.p_ms_per_1k_prefill_tokens >= 2000 * shape.active_b / rate


def expected_or_none(configuration: Configuration) -> StepTime | None:
    """As ``expected``; None for a model whose shape is not known."""
    return expected(configuration) if known(configuration.model) else None
