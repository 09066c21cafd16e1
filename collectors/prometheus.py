"""Observes through Prometheus what ``scrape`` observes directly, with the same tables.

Per tick and kind of target two instant queries: the values, and the times of their samples. Prometheus
answers with the last sample of up to five minutes ago as if it were new, so age is judged by the samples'
own times; what is older than ``max_age_s``, or not there, is a gap. Samples keep the time at which
Prometheus scraped them, so that rates are right although it scrapes each replica at another moment; a
replica not scraped anew between two ticks has no new interval. Series of two servers or two jobs that
scraped the same replica are merged.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors import dcgm, gateway
from collectors.catch import Catch
from collectors.engines import ENGINES
from collectors.exposition import Wanted, page_of
from collectors.observation import Gap, Scrape
from collectors.promql import Prometheus, RangeSeries, SourceUnavailable, range_query
from collectors.source import Target

__all__ = ["PrometheusSource", "RangeSeries", "SourceUnavailable", "range_query"]

NODE_LABEL = "leadtime_node"

TARGETS_PER_QUERY = 200
"""Names in one query: it travels in the URL, which proxies limit."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one kind of target.

    ``names`` is a pattern of metric names, ``anchor`` of those that tell their age, ``key`` the label that
    tells targets apart; without one there is a single target of the kind.
    """

    wanted: Wanted
    names: str
    anchor: str
    labels: tuple[str, ...]
    key: str

    def values(self, keys: Iterable[str]) -> str:
        """PromQL for the values of these targets, one series where several tell the same."""
        kept = ", ".join(label for label in ("__name__", self.key, *self.labels) if label)
        return f"max by ({kept}) ({self._select(self.names, keys)})"

    def times(self, keys: Iterable[str]) -> str:
        """PromQL for the time of the newest sample of each of these targets."""
        return f"max by ({self.key}) (timestamp({self._select(self.anchor, keys)}))"

    def about(self, key: str) -> str:
        """Words for what was looked for."""
        return f"with {self.key}={key}" if self.key else f"of {self.anchor}"

    def _select(self, names: str, keys: Iterable[str]) -> str:
        if not self.key:
            return f'{{__name__=~"{names}"}}'
        # Twice escaped: for the regular expression and for the string that it stands in.
        either = "|".join(re.escape(key) for key in keys).replace("\\", "\\\\").replace('"', '\\"')
        return f'{{__name__=~"{names}",{self.key}=~"{either}"}}'


class PrometheusSource:
    """``Source`` over a Prometheus server (or Thanos, Mimir, VictoriaMetrics: another URL and headers).

    Targets must carry ``replica_label`` (engines) or ``leadtime_node`` (dcgm); the gateway's metrics
    are known by their names. ``clock`` turns Prometheus' time into the caller's, where that is a virtual one.
    """

    def __init__(
        self,
        url: str,
        replica_label: str = "leadtime_replica",
        service_label: str = "leadtime_service",
        headers: Mapping[str, str] | None = None,
        max_age_s: float = 60.0,
        clock: Callable[[float], float] = float,
    ) -> None:
        self.replica_label = replica_label
        self.service_label = service_label
        self._prometheus = Prometheus(url, headers)
        self._max_age_s = max_age_s
        self._clock = clock

    async def check(self) -> None:
        """Raise SourceUnavailable, naming the address, unless the server answers a query."""
        await asyncio.to_thread(self._prometheus.instant, "vector(1)")

    async def scrape(self, targets: Sequence[Target], at_s: float) -> Scrape:
        """What Prometheus knows of the targets now; the rest is gaps."""
        return await asyncio.to_thread(self._scrape, targets, at_s)

    async def close(self) -> None:
        """Close the connection."""
        self._prometheus.close()

    def _scrape(self, targets: Sequence[Target], at_s: float) -> Scrape:
        catch = Catch()
        kinds: dict[tuple[str, str], list[Target]] = defaultdict(list)
        for target in targets:
            kinds[target.kind, target.engine if target.kind == "engine" else ""].append(target)
        for (kind, engine), group in kinds.items():
            question = self._question(kind, engine)
            if question is None:
                for target in group:
                    catch.miss(target, f"nobody reads {kind} targets of engine {target.engine}")
                continue
            for start in range(0, len(group), TARGETS_PER_QUERY):
                self._ask(question, group[start : start + TARGETS_PER_QUERY], catch)
        catch.gaps += [Gap("prometheus", f"warning: {text}") for text in self._prometheus.warnings()]
        return catch.scrape(at_s)

    def _question(self, kind: str, engine: str) -> Question | None:
        if kind == "engine" and engine in ENGINES:
            table = ENGINES[engine]
            names, anchor = "|".join(table.names), "|".join(table.anchor)
            return Question(table.wanted, names, anchor, table.labels, self.replica_label)
        if kind == "dcgm":
            return Question(dcgm.WANTED, dcgm.pattern(), dcgm.ANCHOR, dcgm.LABELS, NODE_LABEL)
        if kind == "gateway":
            return Question(gateway.WANTED, "|".join(gateway.NAMES), gateway.HELD, (gateway.LABEL,), "")
        return None

    def _ask(self, question: Question, targets: Sequence[Target], catch: Catch) -> None:
        """Ask about some targets of one kind and keep what is fresh."""
        keys = {target: target.name if question.key else "" for target in targets}
        try:
            times = self._prometheus.instant(question.times(keys.values()))
            rows = self._prometheus.instant(question.values(keys.values()))
        except SourceUnavailable as problem:
            for target in targets:
                catch.miss(target, str(problem))
            return
        ages = {labels.get(question.key, ""): (taken_s, now_s - taken_s) for labels, now_s, taken_s in times}
        samples: dict[str, list[tuple[str, dict[str, str], float]]] = defaultdict(list)
        for labels, _, value in rows:
            samples[labels.pop(question.key, "")].append((labels.pop("__name__"), labels, value))
        for target, key in keys.items():
            if key not in ages or key not in samples:
                catch.miss(target, f"Prometheus has no fresh series {question.about(key)}")
            elif ages[key][1] > self._max_age_s:
                catch.miss(target, f"stale: its last sample is {ages[key][1]:.0f} s old")
            else:
                page = page_of(samples[key], question.wanted)
                catch.add(target, page, self._clock(ages[key][0]))
