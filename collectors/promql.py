"""Asks a Prometheus server, and makes one exception of everything that can go wrong.

prometheus-api-client does the talking. Around it stands what it lacks: warnings of the server are kept,
ranges are cut into pieces that the server's limit of 11,000 points allows, merged and put on one grid, and
there are no silent retries: a question that fails is asked again at the next tick.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from collectors.packing import Array

CHUNK_POINTS = 10_000
"""Points per series asked for at once; servers refuse more than 11,000."""

TIMEOUT_S = 10.0


class SourceUnavailable(ConnectionError):
    """Prometheus cannot be asked; the message names its address and why."""


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series on an even grid of times; NaN where it had no sample."""

    labels: Mapping[str, str]
    times: Array
    values: Array


class Prometheus:
    """A connection to one server; blocking, for use in one thread at a time."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self._warnings: dict[str, None] = {}
        session = requests.Session()
        session.hooks["response"].append(self._notice)
        # read=False lets a time-out come through as one.
        never = Retry(total=0, read=False, redirect=3)
        self._client = PrometheusConnect(
            self.url, headers=dict(headers or {}), retry=never, session=session, timeout=timeout_s
        )

    def instant(self, query: str) -> list[tuple[dict[str, str], float, float]]:
        """Labels, time of evaluation and value of each series of an instant vector."""
        try:
            found = self._client.custom_query(query)
            return [(row["metric"], float(row["value"][0]), float(row["value"][1])) for row in found]
        except _PROBLEMS as problem:
            raise self._unavailable(problem) from problem

    def matrix(self, query: str, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """The raw answer of one range query; the caller keeps within the server's limit."""
        start, end = (datetime.fromtimestamp(at_s, UTC) for at_s in (start_s, end_s))
        try:
            # The client rounds its times to whole seconds; the parameters overrule it.
            exact = {"start": repr(start_s), "end": repr(end_s)}
            found: list[dict[str, Any]] = self._client.custom_query_range(query, start, end, repr(step_s), exact)
        except _PROBLEMS as problem:
            raise self._unavailable(problem) from problem
        return found

    def warnings(self) -> tuple[str, ...]:
        """What the server warned of since this was last asked."""
        warnings, self._warnings = tuple(self._warnings), {}
        return warnings

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _notice(self, response: requests.Response, *_args: Any, **_more: Any) -> None:
        # Warnings stand behind the data; parse the whole again only where there are any.
        if response.ok and b'"warnings":[' in response.content[-65536:]:
            try:
                told = json.loads(response.content).get("warnings", [])
            except ValueError:
                return
            self._warnings |= {str(warning): None for warning in told}

    def _unavailable(self, problem: Exception) -> SourceUnavailable:
        if isinstance(problem, PrometheusApiClientException):
            why = f"refused the query: {_short(str(problem))}"
        elif isinstance(problem, requests.Timeout):
            why = "did not answer in time"
        elif isinstance(problem, requests.RequestException) and not isinstance(problem, ValueError):
            why = f"cannot be reached ({type(problem).__name__}); is the address right?"
        elif isinstance(problem, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
            why = "is no address; expected http://host:9090"
        else:
            why = "answered, but not as Prometheus does; is the address right?"
        return SourceUnavailable(f"Prometheus at {self.url} {why}")


_PROBLEMS = (requests.RequestException, PrometheusApiClientException, KeyError, TypeError, ValueError, IndexError)


def range_query(
    url: str,
    query: str,
    start_s: float,
    end_s: float,
    step_s: float,
    headers: Mapping[str, str] | None = None,
) -> tuple[RangeSeries, ...]:
    """The query over a range, however long, on the grid of multiples of ``step_s``; gaps stay NaN.
    Blocking.

    Keep the window of a ``rate`` in the query at ``step_s`` or more, or it skips samples. Raises
    SourceUnavailable.
    """
    first, last = math.ceil(start_s / step_s), math.floor(end_s / step_s)
    times = np.arange(first, last + 1, dtype=np.float64) * step_s
    found: dict[tuple[tuple[str, str], ...], Array] = {}
    prometheus = Prometheus(url, headers, timeout_s=60.0)
    for at in range(first, last + 1, CHUNK_POINTS):
        end = min(at + CHUNK_POINTS - 1, last)
        for row in prometheus.matrix(query, at * step_s, end * step_s, step_s):
            key = tuple(sorted(row["metric"].items()))
            values = found.setdefault(key, np.full(len(times), np.nan))
            _place(values, row.get("values", ()), step_s, first)
    prometheus.close()
    return tuple(RangeSeries(dict(key), times, values) for key, values in found.items())


def _place(values: Array, points: Sequence[Sequence[Any]], step_s: float, first: int) -> None:
    for at_s, value in points:
        values[round(float(at_s) / step_s) - first] = float(value)


def _short(message: str) -> str:
    return message if len(message) <= 300 else message[:300] + "…"
