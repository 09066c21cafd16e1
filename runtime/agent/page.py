"""The agent's own metrics: replicas by state, and how often something befell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from runtime.replica import Replica

MEDIA_TYPE = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What is told, as a collector of prometheus-client."""

    replicas: tuple[Replica, ...]
    counts: Mapping[tuple[str, str], int]

    def collect(self) -> Iterator[Metric]:
        """One gauge, one counter."""
        states = GaugeMetricFamily("leadtime_agent_replicas", "Replicas by state.", labels=["pool", "state"])
        numbers = Counter((replica.pool, str(replica.transition or replica.tier)) for replica in self.replicas)
        for (pool, state), number in sorted(numbers.items()):
            states.add_metric([pool, state], number)
        happened = CounterMetricFamily("leadtime_agent_events", "What befell replicas.", labels=["pool", "what"])
        for (pool, what), number in sorted(self.counts.items()):
            happened.add_metric([pool, what], number)
        yield states
        yield happened


def page(replicas: Iterable[Replica], counts: Mapping[tuple[str, str], int]) -> str:
    """Everything, in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Told(tuple(replicas), counts))
    return generate_latest(registry).decode()
