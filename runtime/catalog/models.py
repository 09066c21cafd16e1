"""Models as their configuration files describe them: weights, layers, and what one token keeps in the KV cache.

Promise: a checkpoint's name (``nvidia/Llama-3.1-8B-Instruct-FP8``) finds the model it is a copy of; a model that is
not listed can still be fitted, but neither transferred nor given a KV capacity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.catalog.errors import CatalogError
from runtime.catalog.names import near

WEIGHT_BYTES: Mapping[str, float] = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "fp4": 0.5625, "int4": 0.53125}
"""Bytes per parameter, scales included: one byte per 16 weights in NVFP4, one of two bytes per 64 in int4."""


@dataclass(frozen=True, slots=True)
class Model:
    """The shape of one model.

    ``parameters_b`` all and ``active_b`` per token, billions; ``kv_layers`` keep keys and values, of ``kv_heads`` heads
    with ``kv_head_width`` numbers per token each (both together); ``hidden`` is the width of the residual stream.
    Latent attention counts as one head: tensor parallelism cannot divide it.
    """

    name: str
    parameters_b: float
    active_b: float
    layers: int
    hidden: int
    kv_layers: int
    kv_heads: int
    kv_head_width: int

    def kv_bytes(self, bytes_each: float = 2.0) -> float:
        """Bytes that one token takes in the KV cache, over all GPUs (reference: 2·layers·heads·width·bytes)."""
        return self.kv_layers * self.kv_heads * self.kv_head_width * bytes_each

    def weight_gb(self, precision: str) -> float:
        """All weights, GB (1e9 bytes)."""
        return self.parameters_b * WEIGHT_BYTES[precision]

    def weight_gb_read(self, precision: str, tokens: float) -> float:
        """Weights that a step with so many tokens reads, GB: experts are drawn evenly and each is read once."""
        share = self.active_b / self.parameters_b
        untouched: float = (1 - share) ** max(tokens, 1.0)
        return self.weight_gb(precision) * (1 - untouched)


def _dense(name: str, parameters_b: float, layers: int, hidden: int, kv_heads: int) -> Model:
    return Model(name, parameters_b, parameters_b, layers, hidden, layers, kv_heads, 2 * 128)


def _latent(name: str, parameters_b: float, active_b: float, layers: int, hidden: int) -> Model:
    return Model(name, parameters_b, active_b, layers, hidden, layers, 1, 512 + 64)


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        _dense("meta-llama/Llama-3.1-8B", 8.03, 32, 4096, 8),
        _dense("meta-llama/Llama-3.1-70B", 70.55, 80, 8192, 8),
        _dense("Qwen/Qwen3-8B", 8.19, 36, 4096, 8),
        _dense("Qwen/Qwen3-32B", 32.76, 64, 5120, 8),
        Model("Qwen/Qwen3-235B-A22B", 235.0, 22.0, 94, 4096, 94, 4, 2 * 128),
        # Every fourth layer attends to everything; the others keep a state of fixed size.
        Model("Qwen/Qwen3.5-397B-A17B", 397.0, 17.0, 60, 4096, 15, 2, 2 * 256),
        # Every other layer looks back 128 tokens only, which is next to nothing.
        Model("openai/gpt-oss-120b", 116.8, 5.1, 36, 2880, 18, 8, 2 * 64),
        Model("MiniMaxAI/MiniMax-M2.5", 230.0, 10.0, 62, 3072, 62, 8, 2 * 128),
        _latent("deepseek-ai/DeepSeek-V3", 671.0, 37.0, 61, 7168),
        _latent("deepseek-ai/DeepSeek-R1", 671.0, 37.0, 61, 7168),
        _latent("moonshotai/Kimi-K2.5", 1026.0, 32.0, 61, 7168),
        _latent("zhipuai/GLM-5", 744.0, 40.0, 78, 6144),
    )
}

_COPIES = re.compile(r"-(instruct|fp8|nvfp4|fp4|bf16|awq|gptq)\b", re.IGNORECASE)


def _key(name: str) -> str:
    return _COPIES.sub("", name.rsplit("/", 1)[-1]).replace("V3.1", "V3").lower()


_BY_KEY = {_key(name): model for name, model in MODELS.items()}


def known(name: str) -> Model | None:
    """The model that a checkpoint is a copy of, or None."""
    return _BY_KEY.get(_key(name))


def model(name: str) -> Model:
    """As ``known``. Raises CatalogError that lists near names."""
    found = known(name)
    if found is None:
        raise CatalogError(f"model {name!r} is not known; {near(name, MODELS)}")
    return found
