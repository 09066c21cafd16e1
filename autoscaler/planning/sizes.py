"""The same GPUs, cut into few large replicas or many small ones: latency against throughput.

Large replicas answer sooner, small ones leave less time to all-reduces and carry more, until their memory is full of
weights. This table shows where a model stands between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.planning.candidates import Candidate, Refusal
from autoscaler.planning.carry import Asked, Carried, carry
from autoscaler.planning.traffic import Traffic


@dataclass(frozen=True, slots=True, eq=False)
class Size:
    """So many replicas of one way on the GPUs: what they carry together at their limit."""

    replicas: int
    carried: Carried

    @property
    def rps(self) -> float:
        """Requests per second within the SLO, all replicas together."""
        return self.replicas * self.carried.rps

    def usd_per_million(self, traffic: Traffic) -> float:
        """USD per million tokens at the limit, on demand: GPUs that are always full."""
        candidate = self.carried.candidate
        tokens = self.rps * (traffic.mean_input_tokens + traffic.mean_output_tokens)
        return self.replicas * candidate.pool.replica_usd_per_hour / (tokens * 3600 / 1e6)


def sizes(
    built: list[Candidate | Refusal], gpu: str, precision: str, gpus: int, traffic: Traffic, asked: Asked
) -> list[Size | Refusal]:
    """Of all ways on a GPU type in a precision that divide so many GPUs, the largest replicas first."""
    found: list[Size | Refusal] = []
    for one in built:
        way = one.way
        if (way.gpu, way.precision) != (gpu, precision) or way.split.stages > 1 or gpus % way.split.gpus:
            continue
        made = one if isinstance(one, Refusal) else carry(one, traffic, asked)
        found.append(made if isinstance(made, Refusal) else Size(gpus // way.split.gpus, made))
    return sorted(found, key=lambda size: -_way(size))


def _way(size: Size | Refusal) -> int:
    return (size if isinstance(size, Refusal) else size.carried.candidate).way.split.gpus
