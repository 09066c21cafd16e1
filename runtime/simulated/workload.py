"""Who asks for what, and when: the requests that a simulated fleet has to serve.

Two workloads behind one protocol: a recorded trace, and an endless synthetic one with the habits of real traffic: a
daily and weekly cycle with steep recurring peaks, a handful of clients that come in bursts, and heavy-tailed lengths.
Both are pure: the same slice asked for twice, or in other pieces, holds the same requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import pdtrik

from runtime.simulated import noise
from runtime.simulated.noise import Floats, Ints
from runtime.traces import Trace

Past = dict[str, list[tuple[float, float, float, float]]]
"""Per service and minute: (end of the minute as UTC seconds, arrivals per second, mean input, mean output tokens)."""

CELL_S = 60.0
"""The synthetic workload is made in cells of this length, aligned to UTC minutes."""

_PARTS = 12
"""The rate within a cell varies from part to part."""

_RISE_HOURS = 0.6
"""How long a peak takes to rise and to fall."""

_MOST_INPUT, _MOST_OUTPUT = 100_000, 8_192
"""Lengths are clipped here, tokens."""

_CLIENTS = ((0.30, 3), (0.22, 5), (0.16, 8), (0.12, 4), (0.10, 13), (0.10, 21))
"""(share of the service's requests, minutes that a burst or a lull lasts) of each client."""

_BURSTING = 0.25
"""Share of the time that a client is in a burst."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Requests in order of arrival, arrays of one length.

    ``arrival_s`` float64, UTC seconds; ``input_tokens`` and ``output_tokens`` int32; ``service`` int32, the index into
    the workload's ``services``; ``prefix`` and ``prefix_tokens`` int32 as in Trace, None where nothing is shared.
    """

    arrival_s: Floats
    input_tokens: npt.NDArray[np.int32]
    output_tokens: npt.NDArray[np.int32]
    service: npt.NDArray[np.int32]
    prefix: npt.NDArray[np.int32] | None = None
    prefix_tokens: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.arrival_s)


class Workload(Protocol):
    """A stream of requests from ``start_s`` (UTC seconds) to ``end_s``, or without end."""

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the services, in the order of their indices."""
        ...

    @property
    def start_s(self) -> float:
        """When it starts, UTC seconds."""
        ...

    @property
    def end_s(self) -> float | None:
        """The first moment after its last request, UTC seconds; None if it has no end."""
        ...

    def arrivals(self, from_s: float, until_s: float) -> Arrivals:
        """The requests with ``from_s <= arrival_s < until_s`` that come at or after the start."""
        ...

    def past(self, hours: float) -> Past:
        """What the minutes of so many hours before the start would have shown; empty where nobody knows.

        A minute without requests has the service's usual mean lengths.
        """
        ...


class TraceWorkload:
    """A recorded trace for one service, from ``start_s`` on."""

    def __init__(self, trace: Trace, service: str, start_s: float) -> None:
        self.services: tuple[str, ...] = (service,)
        self.start_s = start_s
        self._trace = trace
        self._arrival_s = trace.arrival_s + start_s
        self.end_s: float | None = float(np.nextafter(self._arrival_s[-1], np.inf))

    def arrivals(self, from_s: float, until_s: float) -> Arrivals:
        """See Workload."""
        first, last = np.searchsorted(self._arrival_s, (from_s, until_s))
        part = slice(int(first), int(last))
        return Arrivals(
            self._arrival_s[part],
            self._trace.input_tokens[part],
            self._trace.output_tokens[part],
            np.zeros(max(0, part.stop - part.start), np.int32),
            None if self._trace.prefix is None else self._trace.prefix[part],
            None if self._trace.prefix_tokens is None else self._trace.prefix_tokens[part],
        )

    def past(self, hours: float) -> Past:
        """Nobody knows what was before the trace."""
        return {}


class TracesWorkload:
    """Recorded traces side by side, each for a service of its own, all from the same moment on."""

    def __init__(self, traces: Mapping[str, Trace], start_s: float) -> None:
        self.services: tuple[str, ...] = tuple(traces)
        self.start_s = start_s
        self._each = tuple(TraceWorkload(trace, name, start_s) for name, trace in traces.items())
        self.end_s: float | None = max(each.end_s or start_s for each in self._each)

    def arrivals(self, from_s: float, until_s: float) -> Arrivals:
        """See Workload; who shares a prefix is not told here."""
        parts = [each.arrivals(from_s, until_s) for each in self._each]
        return _merged([replace(part, service=part.service + i) for i, part in enumerate(parts)])

    def past(self, hours: float) -> Past:
        """Nobody knows what was before the traces."""
        return {}


@dataclass(frozen=True, slots=True)
class ServiceLoad:
    """How one service is used.

    On a weekday the rate is ``base_rps`` with a gentle daily swing, and rises within about half an hour to
    ``peak_rps`` around ``peak_hour_utc`` (and each of ``more_peak_hours_utc``) for ``peak_width_hours``. At the weekend
    everything is multiplied by ``weekend_factor``. Lengths are lognormal with these means and coefficients of
    variation, in tokens. ``burstiness`` scales how far clients and moments stray from the mean: 0 is a Poisson process.
    """

    name: str
    base_rps: float
    peak_rps: float
    peak_hour_utc: float
    peak_width_hours: float
    weekend_factor: float
    mean_input_tokens: float
    input_cv: float
    mean_output_tokens: float
    output_cv: float
    burstiness: float = 1.0
    more_peak_hours_utc: tuple[float, ...] = ()

    def expected_rps(self, at_s: Floats) -> Floats:
        """Mean rate at these UTC times, requests per second, in the shape of ``at_s``."""
        hour = at_s / 3600
        swing = 1 + 0.15 * np.cos(2 * np.pi * (hour - 14) / 24)
        peak = np.zeros_like(at_s)
        for centre in (self.peak_hour_utc, *self.more_peak_hours_utc):
            peak = np.maximum(peak, _plateau(hour, centre, self.peak_width_hours, _RISE_HOURS, 24))
        rate = self.base_rps * swing * (1 - peak) + self.peak_rps * peak
        # The epoch was a Thursday, so the middle of a weekend is 72 hours after it.
        weekend = _plateau(hour, 72, 48, 4, 168)
        return rate * (1 - weekend * (1 - self.weekend_factor))


def _plateau(hour: Floats, centre: float, width: float, rise: float, period: float) -> Floats:
    """1 within ``width`` hours around the centre of each period and 0 outside, with flanks ``rise`` hours long."""
    away = np.abs((hour - centre + period / 2) % period - period / 2)
    x = np.clip((width / 2 - away) / rise + 0.5, 0, 1)
    return x * x * (3 - 2 * x)


class SyntheticWorkload:
    """An endless workload of several services; the same seed gives the same requests whoever asks for which slice."""

    def __init__(self, specs: Sequence[ServiceLoad], start_s: float, seed: int) -> None:
        self.services: tuple[str, ...] = tuple(spec.name for spec in specs)
        self.start_s = start_s
        self.end_s: float | None = None
        self._loads = tuple(_Load(spec, seed, i) for i, spec in enumerate(specs))

    def arrivals(self, from_s: float, until_s: float) -> Arrivals:
        """See Workload."""
        from_s = max(from_s, self.start_s)
        cells = range(int(from_s // CELL_S), int(-(-until_s // CELL_S))) if from_s < until_s else range(0)
        parts = [_between(load.cell(cell), from_s, until_s) for cell in cells for load in self._loads]
        return _merged(parts)

    def past(self, hours: float) -> Past:
        """See Workload. Counts are those that ``arrivals`` would have given; mean lengths vary as they would have."""
        last = int(self.start_s // CELL_S)
        cells = np.arange(last - int(hours * 3600 // CELL_S), last)
        return {load.spec.name: load.minutes(cells) for load in self._loads}


class _Load:
    """One service of the synthetic workload, cell by cell."""

    def __init__(self, spec: ServiceLoad, seed: int, index: int) -> None:
        self.spec = spec
        self._seed = seed
        self._index = index
        self._kept: tuple[int, Arrivals] | None = None

    def _key(self, purpose: str) -> int:
        return noise.stream(self._seed, self.spec.name, purpose)

    def _rates(self, cells: Ints) -> Floats:
        """Rate in each part of each cell, requests per second: shape (cells, parts). Its mean is ``expected_rps``."""
        spec, most = self.spec, 0.2 * self.spec.burstiness
        rate = spec.expected_rps(np.asarray((cells + 0.5) * CELL_S, np.float64))
        clients = np.zeros(len(cells))
        for client, (share, minutes) in enumerate(_CLIENTS):
            bursting = noise.uniform(self._key(f"client {client}"), (cells + client) // minutes) < _BURSTING
            # A lull takes away what a burst adds, so that the mean stays: 0.25·(1 + 3m) + 0.75·(1 − m) = 1.
            clients += share * np.where(bursting, 1 + most * (1 / _BURSTING - 1), 1 - most)
        slow = noise.drift(self._key("drift"), cells / 30, 0.06 * spec.burstiness)
        parts = cells[:, None] * _PARTS + np.arange(_PARTS)
        return (rate * clients * slow)[:, None] * noise.lognormal(self._key("part"), parts, 0.25 * spec.burstiness)

    def _counts(self, cells: Ints, rates: Floats) -> Ints:
        """Requests in each cell: the Poisson quantile of the cell's own draw."""
        mean = rates.sum(axis=1) * CELL_S / _PARTS
        quantile = pdtrik(noise.uniform(self._key("count"), cells), np.maximum(mean, 1e-9))
        counts: Ints = np.ceil(np.nan_to_num(quantile)).clip(0).astype(np.int64)
        return counts

    def cell(self, cell: int) -> Arrivals:
        """All requests of a cell; the last one is kept, since slices are mostly shorter than cells."""
        if self._kept is None or self._kept[0] != cell:
            self._kept = cell, self._make(cell)
        return self._kept[1]

    def _make(self, cell: int) -> Arrivals:
        cells = np.array([cell])
        rates = self._rates(cells)
        n = int(self._counts(cells, rates)[0])
        rng = np.random.Generator(np.random.Philox(key=self._key("requests"), counter=[0, 0, cell, 0]))
        # Points of a Poisson process of varying rate: uniform draws through the inverse of its cumulated rate.
        reached = np.concatenate([[0.0], np.cumsum(rates[0])])
        within = np.interp(np.sort(rng.random(n)) * reached[-1], reached, np.linspace(0, CELL_S, _PARTS + 1))
        spec = self.spec
        return Arrivals(
            np.minimum(cell * CELL_S + within, np.nextafter((cell + 1) * CELL_S, 0)),
            _lengths(rng, n, spec.mean_input_tokens, spec.input_cv, _MOST_INPUT),
            _lengths(rng, n, spec.mean_output_tokens, spec.output_cv, _MOST_OUTPUT),
            np.full(n, self._index, np.int32),
        )

    def minutes(self, cells: Ints) -> list[tuple[float, float, float, float]]:
        """What ``Past`` holds of these cells, without making their requests."""
        spec = self.spec
        counts = self._counts(cells, self._rates(cells))
        inputs = self._mean_lengths("input", cells, counts, spec.mean_input_tokens, spec.input_cv)
        outputs = self._mean_lengths("output", cells, counts, spec.mean_output_tokens, spec.output_cv)
        ends = (cells + 1) * CELL_S
        rows = zip(ends.tolist(), (counts / CELL_S).tolist(), inputs.tolist(), outputs.tolist(), strict=True)
        return list(rows)

    def _mean_lengths(self, which: str, cells: Ints, counts: Ints, mean: float, cv: float) -> Floats:
        """The mean of n lengths is nearly lognormal with a variance of cv²/n; of none, the usual mean."""
        sigma = np.sqrt(np.log1p(cv * cv / np.maximum(counts, 1)))
        z = noise.normal(self._key(f"mean {which}"), cells)
        return np.where(counts > 0, mean * np.exp(sigma * z - sigma * sigma / 2), mean)


def _lengths(rng: np.random.Generator, n: int, mean: float, cv: float, most: int) -> npt.NDArray[np.int32]:
    sigma = np.sqrt(np.log1p(cv * cv))
    drawn = rng.lognormal(np.log(mean) - sigma * sigma / 2, sigma, n)
    return np.clip(np.rint(drawn), 1, most).astype(np.int32)


def _between(a: Arrivals, from_s: float, until_s: float) -> Arrivals:
    first, last = np.searchsorted(a.arrival_s, (from_s, until_s))
    part = slice(int(first), int(last))
    return Arrivals(a.arrival_s[part], a.input_tokens[part], a.output_tokens[part], a.service[part])


def _merged(parts: Sequence[Arrivals]) -> Arrivals:
    """All of them in order of arrival."""
    arrival_s = np.concatenate([np.empty(0), *(part.arrival_s for part in parts)])
    order = np.argsort(arrival_s, kind="stable")
    none = np.empty(0, np.int32)
    return Arrivals(
        arrival_s[order],
        np.concatenate([none, *(part.input_tokens for part in parts)])[order],
        np.concatenate([none, *(part.output_tokens for part in parts)])[order],
        np.concatenate([none, *(part.service for part in parts)])[order],
    )


def default_services() -> tuple[ServiceLoad, ...]:
    """The three services of the built-in demo.

    Sized for a 70B model in FP8 on two H100 (step time 16.55, 0.041, 0.0581, 68.7 ms): ``chat`` offers about 1.7
    erlangs before its morning peak, which rises from 09:05 to 09:40 UTC, and 5 in it; ``code`` 0.9 to 2.2 in office
    hours; ``summarize`` 0.4 to 1.6 late in the evening.
    """
    return (
        ServiceLoad("chat", 9.0, 27.0, 11.0, 3.25, 0.75, 1800, 1.2, 350, 1.0, 1.0, (19.5,)),
        ServiceLoad("code", 3.0, 9.0, 13.5, 8.5, 0.3, 3000, 1.0, 150, 1.2, 1.0),
        ServiceLoad("summarize", 0.6, 2.3, 22.5, 5.0, 0.8, 8000, 0.8, 300, 0.6, 0.8),
    )
