"""Asks a Prometheus what it remembers of a model that vLLM served, and makes a trace of it.

Every question is for last values on an even grid, one series per replica; none older than a step counts, so a hole in
the history is a hole in the answer. What two jobs or two servers scraped from one replica is one series. Names come
from the table that the collectors read vLLM with.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from autoscaler.backtest.growth import Array, growth
from autoscaler.backtest.recorded import HistoryError, Hole, Steps, holes, trace_of
from collectors.engines import ENGINES, VLLM
from collectors.histograms import added
from collectors.observation import Histogram
from collectors.prometheus import RangeSeries, range_query
from runtime.traces import Trace

Key = tuple[tuple[str, str], ...]
"""Labels of one replica."""

REPLICA = ("cluster", "namespace", "pod", "instance", "engine")
"""Labels that tell replicas apart: where they run, and the core of a data-parallel one."""

SHAPE_POINTS = 200
"""Histograms are asked for so many times over the span; a restart between two of them costs what came before it."""

WHOLE = 0.9
"""Share of the usual number of scrapes from which on a step at the edge of a hole counts as whole."""

READ_AND_CACHED = ("input_tokens", "cached_tokens")

INPUT_LENGTHS = ("vllm:request_prompt_tokens",)
OUTPUT_LENGTHS = VLLM.histograms["output_lengths"]


def _names(signal: str) -> tuple[str, ...]:
    return tuple(name for reading in VLLM.scalars[signal] for name in reading.names)


def _sums(families: tuple[str, ...], signal: str) -> tuple[str, ...]:
    # The sum of a histogram grows when a request finishes, as the number of requests does; the plain counter earlier.
    return (*(f"{family}_sum" for family in families), *_names(signal))


@dataclass(frozen=True, slots=True)
class Span:
    """Where to ask, for which ``model_name``, from when to when (UTC seconds), in steps of ``step_s``."""

    url: str
    model: str
    from_s: float
    to_s: float
    step_s: int

    @property
    def points(self) -> int:
        """Ends of steps within the span."""
        return math.floor(self.to_s / self.step_s) - math.ceil(self.from_s / self.step_s) + 1

    def selector(self, name: str) -> str:
        """PromQL for the series of that name."""
        model = self.model.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}{{model_name="{model}"}}'

    def samples(self, name: str) -> str:
        """PromQL for the samples of one step."""
        # A sample exactly one step old belongs to the step before; servers before 3.0 count both ends of a window.
        return f"{self.selector(name)}[{1000 * self.step_s - 1}ms]"

    def per_replica(self, name: str, step_s: int) -> list[RangeSeries]:
        """Last values every ``step_s``, none older than a step; reasons are added up."""
        newest = f"last_over_time({self.samples(name)})"
        query = f"max by ({', '.join(REPLICA)}, le) (sum without (finished_reason, reason) ({newest}))"
        return list(range_query(self.url, query, self.from_s, self.to_s, step_s))

    def first(self, names: Iterable[str]) -> dict[Key, Array]:
        """Values of each replica under the first name that there is; empty without any."""
        for name in names:
            if found := self.per_replica(name, self.step_s):
                return {_key(series): series.values for series in found}
        return {}


def recorded(span: Span, seed: int) -> tuple[Trace, tuple[Hole, ...]]:
    """The traffic of the model in the span, the same for the same seed, and the times of which nothing is known.

    Blocking. Raises HistoryError where there is no such history or too little of it, SourceUnavailable where the
    server cannot be asked.
    """
    if span.points < 2:
        raise HistoryError(f"{span.model}: no step of {span.step_s} s between the two times; give a longer span")
    steps = read(span)
    inputs, outputs = lengths_of(span, INPUT_LENGTHS), lengths_of(span, OUTPUT_LENGTHS)
    return trace_of(span.model, steps, inputs, outputs, seed), holes(steps)


def read(span: Span) -> Steps:
    """What arrived, what finished and its tokens, step by step.

    Arrived is what finished or was rejected, and by how much more were running or waiting at the end of the step.
    """
    finished = span.first(_names("completed"))
    if not finished:
        raise HistoryError(_nothing(span))
    running, waiting = (_required(span, signal, finished) for signal in ("running", "waiting"))
    arrivals = _total(span, (growth(values, running[key] + waiting[key]) for key, values in finished.items()))
    arrivals += _total(span, map(growth, span.first(_names("rejected")).values()))
    seen = np.isfinite(list(finished.values()))
    known = np.where(_known(span, np.logical_or.reduce(seen)), 0.0, np.nan)
    tokens = [
        _total(span, map(growth, span.first(_sums(families, signal)).values()))
        for families, signal in ((INPUT_LENGTHS, "input_tokens"), (OUTPUT_LENGTHS, "output_tokens"))
    ]
    start_s = math.ceil(span.from_s / span.step_s) * span.step_s
    done = _total(span, map(growth, finished.values()))
    told = _notes(seen, *(_total(span, map(growth, span.first(_names(s)).values())).sum() for s in READ_AND_CACHED))
    return Steps(start_s, span.step_s, arrivals + known, done + known, tokens[0] + known, tokens[1] + known, told)


def lengths_of(span: Span, families: Iterable[str]) -> Histogram | None:
    """The lengths of all requests that finished in the span; None where nobody counted them."""
    coarse_s = span.step_s * max(1, span.points // SHAPE_POINTS)
    replicas: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for family in families:
        for series in span.per_replica(f"{family}_bucket", coarse_s):
            grown = float(growth(series.values).sum())
            replicas[_key(series)].append((float(series.labels["le"]), grown))
        if replicas:
            break
    columns = (zip(*sorted(pairs), strict=True) for pairs in replicas.values())
    # Their sums are not asked for: lengths are scaled to the mean of each step.
    histograms = [Histogram(bounds, counts, 0.0) for bounds, counts in columns]
    whole, _ = added([histogram for histogram in histograms if histogram.counts[-1] > 0])
    return whole


def _known(span: Span, seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Steps of which both ends were seen, (points - 1,), but for one that broke off before its end: at the edge of a
    hole the last scrape may be much older than the step's end, which shows in how many scrapes the step has.
    """
    query = f"max(count_over_time({span.samples(_names('completed')[0])}))"
    (scraped,) = range_query(span.url, query, span.from_s, span.to_s, span.step_s)
    broke_off = ~np.append(seen[2:], True) & (scraped.values[1:] < WHOLE * np.nanmedian(scraped.values))
    return seen[1:] & seen[:-1] & ~broke_off


def _notes(seen: npt.NDArray[np.bool_], read: float, cached: float) -> tuple[str, ...]:
    """What the replay does otherwise than the fleet did; ``seen`` is (replicas, points)."""
    lasting = np.logical_or.accumulate(seen, axis=1) & np.logical_or.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
    unseen, scraped = int((lasting & ~seen & seen.any(axis=0)).sum()), int(seen.sum())
    notes = []
    if unseen:
        notes.append(
            f"single replicas were not seen {unseen} times of {unseen + scraped}; their growth is spread evenly"
        )
    if cached > 0 and read > 0:
        notes.append(f"{cached / read:.0%} of its input tokens came from prefix caches; the replay computes them all")
    return tuple(notes)


def _key(series: RangeSeries) -> Key:
    return tuple(sorted((label, value) for label, value in series.labels.items() if label != "le"))


def _total(span: Span, grown: Iterable[Array]) -> Array:
    return sum(grown, np.zeros(span.points - 1))


def _required(span: Span, signal: str, replicas: Iterable[Key]) -> dict[Key, Array]:
    found = span.first(_names(signal))
    for key in replicas:
        if key not in found:
            who = dict(key).get("instance", "one replica")
            raise HistoryError(f"Prometheus at {span.url} lacks {_names(signal)[0]} of {who}; keep it when scraping")
    return found


def _nothing(span: Span) -> str:
    """Why there is nothing of the model: other models, another engine, or no history at all."""
    finished = _names("completed")[0]
    if others := _labels(span, finished, "model_name"):
        return f"Prometheus at {span.url} has {finished} of {', '.join(others)} and not of {span.model}; give --model"
    for engine, table in ENGINES.items():
        if table is not VLLM and any(_labels(span, name, "__name__") for name in table.anchor):
            return f"Prometheus at {span.url} has history of {engine} in the span; only that of vllm can be replayed"
    return f"Prometheus at {span.url} has no {finished} in the span; check --from, --to and what it scrapes"


def _labels(span: Span, name: str, label: str) -> list[str]:
    coarse = replace(span, step_s=span.step_s * max(1, span.points // SHAPE_POINTS))
    found = range_query(span.url, f"count by ({label}) ({name})", span.from_s, span.to_s, coarse.step_s)
    return sorted({series.labels.get(label, "") for series in found})
