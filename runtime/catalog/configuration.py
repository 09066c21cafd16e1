"""What a measurement is about: one engine running one model on some GPUs in one way.

Promise: two rows with an equal ``Configuration`` may be fitted together; its name says all of it and is what people
type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, order=True)
class Configuration:
    """One way to run a model.

    ``tensor_parallel`` GPUs share each layer, ``data_parallel`` such groups share the attention; ``moe_tensor`` and
    ``moe_expert`` say how experts are split, 1 for dense models. ``engine_version`` is empty where it is not known: a
    newer engine is another one, DeepSeek-R1 on TensorRT-LLM got faster by a third between two of them.
    """

    engine: str
    model: str
    precision: str
    gpu: str
    tensor_parallel: int
    data_parallel: int = 1
    moe_tensor: int = 1
    moe_expert: int = 1
    engine_version: str = ""

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor_parallel * self.data_parallel

    @property
    def unversioned(self) -> Configuration:
        """The same with any version of its engine."""
        return replace(self, engine_version="")

    @property
    def name(self) -> str:
        """As people type it: ``vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2``, and ``@0.19.0`` if that is known."""
        split = f"tp{self.tensor_parallel}"
        split += f"-dp{self.data_parallel}" if self.data_parallel > 1 else ""
        split += f"-ep{self.moe_expert}" if self.moe_expert > 1 else ""
        if self.moe_tensor * self.moe_expert not in (1, self.gpus):
            split += f"-mtp{self.moe_tensor}"
        split += f"@{self.engine_version}" if self.engine_version else ""
        return f"{self.engine}/{self.model}/{self.precision}/{self.gpu}/{split}"
