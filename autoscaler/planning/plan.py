"""The plan: candidates ranked, the rest refused with a number, the best one cut, paid for, carried through a year."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoscaler.planning.candidates import Candidate, Refusal, build, ways
from autoscaler.planning.carry import Asked, Carried, carry
from autoscaler.planning.days import Day, week
from autoscaler.planning.growth import Growth, Year, year
from autoscaler.planning.prices import Offer
from autoscaler.planning.sizes import Size, sizes
from autoscaler.planning.traffic import Traffic
from forecasting.series import Series
from runtime.catalog.models import model

SIZING_GPUS = 8


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look among: GPU types and precisions (those that make sense if empty), GPUs of a replica at most.

    ``sizing_gpu`` is the type that the replica-sizing table is about, the best candidate's if None.
    """

    gpus: Sequence[str]
    precisions: Sequence[str] = ()
    max_gpus: int = 8
    engine: str = "vllm"
    sizing_gpu: str | None = None
    sizing_gpus: int = SIZING_GPUS


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What came of it: ``ranked`` from the cheapest; ``sizes``, ``year`` and ``days`` of the best, if any."""

    model: str
    traffic: Traffic
    asked: Asked
    scope: Scope
    ranked: tuple[Carried, ...]
    refused: tuple[Refusal, ...]
    sizes: tuple[Size | Refusal, ...] = field(default=())
    year: Year | None = None
    days: tuple[Day, ...] = ()

    @property
    def best(self) -> Carried | None:
        """The cheapest that keeps the promise."""
        return self.ranked[0] if self.ranked else None


def plan(
    name: str,
    traffic: Traffic,
    asked: Asked,
    scope: Scope,
    offers: Mapping[str, Offer],
    growth: Growth,
    progress: Callable[[float], None] = lambda share: None,
) -> Plan:
    """Rank every way to run a model; ``progress`` hears which share of them is judged.

    Raises CatalogError, one line, for a name that is not known.
    """
    shape = model(name)
    considered = ways(shape, scope.gpus, scope.precisions, scope.max_gpus)
    built: list[Candidate | Refusal] = []
    judged: list[Carried | Refusal] = []
    for one in build(shape.name, scope.engine, considered, offers):
        built.append(one)
        judged.append(one if isinstance(one, Refusal) else carry(one, traffic, asked))
        progress(len(built) / len(considered))
    ranked = sorted((one for one in judged if isinstance(one, Carried)), key=_order)
    refused = tuple(one for one in judged if isinstance(one, Refusal))
    bare = Plan(shape.name, traffic, asked, scope, tuple(ranked), refused)
    if not ranked:
        return bare
    cut = tuple(_sizes(built, ranked, bare))
    return replace(bare, sizes=cut, year=year(ranked[0], asked, traffic.mean_rps, growth))


def with_days(made: Plan, series: Series, length_cv: float) -> Plan:
    """The plan with the coming week of the series that it was made for."""
    return made if made.best is None else replace(made, days=week(series, made.best, made.asked, length_cv))


def _order(carried: Carried) -> tuple[float, int, str]:
    """Cheapest first; of equals the one with fewer GPUs."""
    way = carried.candidate.way
    return (round(carried.usd_per_million, 9), way.split.gpus, way.name)


def _sizes(built: list[Candidate | Refusal], ranked: list[Carried], plan: Plan) -> list[Size | Refusal]:
    """Of the best candidate's GPU type, or of the one that is asked for, in the precision that serves it best."""
    gpu = plan.scope.sizing_gpu or ranked[0].candidate.way.gpu
    of_gpu = [one.candidate.way.precision for one in ranked if one.candidate.way.gpu == gpu]
    precision = (of_gpu or [ranked[0].candidate.way.precision])[0]
    return sizes(built, gpu, precision, plan.scope.sizing_gpus, plan.traffic, plan.asked)
