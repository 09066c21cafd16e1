"""The metrics' reference: every family on the pages of daemon, router, agent and simulated fleet.

Names, types and help are read from the pages themselves, made here of an empty memory. Labels that a page shows only
with traffic, and the fixed values of labels, are those of ``dashboards.names``, which tests hold to the same pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from app.daemon.memory import Memory, RackMemory
from app.metrics import page as page_of_daemon
from app.reference.markdown import code, table
from autoscaler.sharing.rack import RackPolicy
from collectors.observation import GpuUse
from dashboards.names import EXPORTED
from runtime.agent import page as agent
from runtime.pool import LeadTime, Pool, StepTime
from runtime.rack import Rack
from runtime.router.page import page as router_page
from runtime.router.tenants import Tenants
from runtime.simulated.gpus import UNKNOWN, Gpu
from runtime.simulated.pages import engine_page, gateway_page, node_page
from runtime.simulated.state import install, new_state

HEAD = """# Metrics

Made from the code. What is not known is absent, never zero. Pages are in the Prometheus text format; scrape jobs for
them are in `deploy/prometheus/scrape.yaml`, dashboards and alerts on them in [dashboards.md](../dashboards.md).

"""

ENGINE = Pool("pool", "chat", "vllm", "H100", 1, 1.0, StepTime(1.0, 0.0, 0.0, 0.0), 2, 16, 1, 16, 16, lead_times={})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as its page has it; ``labels`` without the ``le`` of histograms."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(f"## {title}\n\n{about}\n\n{rows(families)}" for title, about, families in exporters())


def exporters() -> Iterator[tuple[str, str, Sequence[Family]]]:
    """Each exporter: its name, where its page is, its families."""
    yield "Daemon", "`GET /metrics` at the API, 127.0.0.1:8800 unless changed.", read(daemon())
    yield (
        "Router",
        "`GET /metrics` of `leadtime router`, 127.0.0.1:8700 unless changed.",
        read(router_page([], Tenants(), 0)),
    )
    yield "Agent", "`GET /metrics` of `leadtime agent`, 127.0.0.1:8900 unless changed.", read(agent.page([], {}))
    yield "Simulated fleet: engines", "`GET /replicas/NAME/metrics`, as vLLM 0.32 writes it.", read(engine())
    yield "Simulated fleet: GPUs", "`GET /nodes/NAME/metrics`, as dcgm-exporter 4.8 writes it.", read(gpu())
    yield "Simulated fleet: gateway", "`GET /gateway/metrics`.", read(gateway_page([("chat", 0, 0, 0, 0, 0)]))


def daemon() -> str:
    """The daemon's page, of a memory with GPUs, a rack and a certificate so that every family is there."""
    rack = Rack("rack", "H100", 1.0, 1, 1, LeadTime(1.0, 1.0))
    racks = {"rack": RackMemory(rack, RackPolicy(), (), None, 0.0)}
    memory = Memory(gpus=GpuUse(1, 0, 0), racks=racks, certificate_ends_s=lambda: 0.0)
    return page_of_daemon(memory, 0.0, wall_s=0.0).decode()


def engine() -> str:
    """The page of an engine that has served nothing."""
    state = new_state(1, 1, 1)
    install(state, 0, ENGINE, 0.0)
    return engine_page(state, 0, ENGINE, False, 0.0)


def gpu() -> str:
    """The page of one GPU."""
    return node_page([Gpu("GPU-0", "node", 0, UNKNOWN, replica="chat-0")])


def read(text: str) -> list[Family]:
    """The families of a page, in its order, without the times at which each began."""
    return [family(each) for each in text_string_to_metric_families(text) if not each.name.endswith("_created")]


def family(metric: Metric) -> Family:
    """A family as a row; without a sample yet its labels are those of the catalogue."""
    name = sample_name(metric)
    found = {label: None for sample in metric.samples for label in sample.labels if label != "le"}
    listed = EXPORTED.get(name)
    return Family(name, metric.type, metric.documentation, tuple(found) or (listed.labels if listed else ()))


def sample_name(metric: Metric) -> str:
    """The name under which Prometheus stores it: that of its samples, where it is not a histogram."""
    if metric.samples and metric.type != "histogram":
        return metric.samples[0].name
    return metric.name + ("_total" if metric.type == "counter" else "")


def rows(families: Iterable[Family]) -> str:
    """One line for each family."""
    head = ["name", "type", "labels", "meaning"]
    return table(head, [(code(each.name), each.kind, labelled(each), each.text) for each in families])


def labelled(of: Family) -> str:
    """Labels, with their values where there is a fixed set."""
    listed = EXPORTED.get(of.name)
    values = listed.values if listed else {}
    return "; ".join(
        f"{code(label)}{': ' + ', '.join(values[label]) if label in values else ''}" for label in of.labels
    )
