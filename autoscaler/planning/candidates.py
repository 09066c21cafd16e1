"""Everything that could run a model: GPU type, precision, split; and for what cannot, the number that says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autoscaler.planning.basis import Basis, basis
from autoscaler.planning.memory import Memory, memory
from autoscaler.planning.prices import Offer
from autoscaler.planning.splits import Split, splits
from runtime.catalog import hardware
from runtime.catalog.models import Model, known, model
from runtime.catalog.store import shipped
from runtime.pool import Pool, StepTime

USUAL = ("bf16", "fp8", "fp4")
WEIGHT_ONLY = ("fp4", "int4")


@dataclass(frozen=True, slots=True)
class Way:
    """A GPU type, a precision and a split: what is to be judged."""

    gpu: str
    precision: str
    split: Split

    @property
    def name(self) -> str:
        """As in H100-SXM fp8 TP2."""
        return f"{self.gpu} {self.precision} {self.split.name}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way that fits: its pool, memory, price, and what its step times rest on."""

    way: Way
    pool: Pool
    memory: Memory
    offer: Offer
    basis: Basis

    def at(self, step: StepTime) -> Candidate:
        """The same with other step times."""
        return replace(self, pool=replace(self.pool, step=step))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A way that cannot be: ``limit`` is memory, kv, tpot, ttft or price; ``reason`` holds the numbers."""

    way: Way
    limit: str
    reason: str


def ways(shape: Model, gpus: Sequence[str], precisions: Sequence[str], max_gpus: int) -> list[Way]:
    """All ways on those GPU types; without ``precisions``, those that make sense for model and GPU."""
    found = []
    for name in gpus:
        gpu = hardware.gpu(name)
        for precision in precisions or sensible(shape, gpu):
            found += [Way(gpu.name, precision, split) for split in splits(shape, gpu, max_gpus)]
    return found


def sensible(shape: Model, gpu: hardware.Gpu) -> list[str]:
    """Precisions worth a look: four bits where the GPU computes in them, or where somebody measured the model so."""
    here = [e.configuration for e in shipped().entries if known(e.configuration.model) is shape]
    older = {c.precision for c in here if not hardware.gpu(c.gpu).blackwell}
    measured = older | ({c.precision for c in here} if gpu.blackwell else set())
    usual = [p for p in USUAL if p not in WEIGHT_ONLY or p in gpu.tflops]
    return usual + sorted(measured - set(usual))


def build(
    name: str, engine: str, all_ways: Sequence[Way], offers: Mapping[str, Offer]
) -> Iterator[Candidate | Refusal]:
    """Each way as a candidate, or why not. Raises CatalogError for what is not known."""
    for way in all_ways:
        offer = offers.get(way.gpu)
        room = memory(way.split.configuration(engine, model(name), way.precision, way.gpu), way.split.stages)
        if not room.fits:
            yield Refusal(way, "memory", _too_large(room))
        elif offer is None:
            yield Refusal(way, "price", f"no price is known; give --price {way.gpu}=USD")
        else:
            yield candidate(name, engine, way, offer, room)


def candidate(name: str, engine: str, way: Way, offer: Offer, room: Memory) -> Candidate:
    """One way whose weights fit. Raises CatalogError for a model, precision or GPU that is not known."""
    split = way.split
    entry, rests = basis(split.configuration(engine, model(name), way.precision, way.gpu), split.stages)
    pool = entry.pool("plan", offer.on_demand_usd, {}, max(room.kv_tokens, 32))
    named = "-".join((name.rsplit("/", 1)[-1], way.precision, way.gpu, split.name.replace(" ", "-"))).lower()
    pool = replace(pool, name=named, gpus_per_replica=split.gpus)
    return Candidate(way, pool, room, offer, rests)


def _too_large(room: Memory) -> str:
    return (
        f"weights {room.weights_gib:.1f} and overhead {room.overhead_gib:.1f} GiB do not fit the "
        f"{room.usable_gib:.1f} GiB that an engine may use of {room.total_gib:.1f}"
    )
