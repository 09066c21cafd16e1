"""The catalogue of metric names is what exporters really export: ours, vLLM's, and dcgm-exporter's counters."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from app.daemon.memory import Memory, RackMemory
from app.metrics import certificates, daemon_families, fleet_families, gauge, page, service_families
from autoscaler.safety.overrides import Kind
from autoscaler.sharing.rack import RackPolicy
from collectors.dcgm import UUIDS, read_dcgm
from collectors.engines import VLLM
from collectors.health import XidAction, xid_action
from collectors.observation import GpuSample, GpuUse
from dashboards.dcgm import RENAMED
from dashboards.names import (
    AGENT,
    DAEMON,
    ENGINE_TARGET,
    ENGINES,
    GPU_TARGET,
    GPUS,
    HORIZONS,
    QUANTILES,
    ROUTER,
    STATES,
    Metric,
)
from dashboards.recording import HARMLESS_XIDS, RESTART_XIDS
from forecasting.forecaster import HORIZONS_S, TAUS
from runtime.agent import page as agent
from runtime.pool import LeadTime
from runtime.rack import Rack
from runtime.replica import Replica, Tier, Transition
from runtime.router.page import page as router_page
from runtime.router.spec import ServiceClass
from runtime.router.tenants import Quota, Tenancy
from tests.runtime.router.hosts import Engine, listening, replica, rig, spec
from tests.runtime.router.test_bandit import over_pools

ROOT = Path(__file__).parents[2]
SCRAPED = Path(__file__).parent / "fixtures" / "vllm-0.32-names.txt"
Labels = Mapping[str, tuple[str, ...]]


def listed(metrics: Iterable[Metric]) -> dict[str, tuple[str, ...]]:
    return {metric.name: tuple(sorted(metric.labels)) for metric in metrics}


def declared(families: Iterable[Family]) -> dict[str, tuple[str, ...]]:
    """Families by the name of their samples, with the labels that they were made for."""
    suffix = {"counter": "_total"}
    return {f.name + suffix.get(f.type, ""): tuple(sorted(getattr(f, "_labelnames", ()))) for f in families}


def shown(text: str) -> dict[str, tuple[str, ...]]:
    families = text_string_to_metric_families(text)
    return {sample.name: tuple(sorted(sample.labels)) for family in families for sample in family.samples}


def memory() -> Memory:
    """One with GPUs and a rack, so that every family is there."""
    rack = Rack("r", "H100", 2.0, 8, 8, LeadTime(1.0, 2.0))
    racks = {"r": RackMemory(rack, RackPolicy(), (), None, 0.0)}
    return Memory(gpus=GpuUse(1, 1, 1), racks=racks)


def test_the_daemons_page() -> None:
    whole = memory()
    families = [
        gauge("leadtime_build_info", "", ["version"], []),
        *daemon_families(whole, leading=True),
        certificates(whole, 0.0, leading=True),
        *fleet_families(whole),
        *service_families(whole, 0.0),
    ]
    assert listed(DAEMON) == declared(families)
    assert {f.name for f in text_string_to_metric_families(page(whole, 0.0, wall_s=0.0).decode())} == {
        family.name for family in families
    }


async def test_the_routers_page() -> None:
    classes = (ServiceClass("interactive"), ServiceClass("batch"))
    async with listening(Engine()) as url, rig() as router:
        router.gateway.configure(replace(spec(classes=classes), tenancy=Tenancy(quotas={"acme": Quota()})))
        router.rotate(url)
        await router.ask(headers=["x-tenant-id: acme"])
        found = shown(router_page([router.chat], router.gateway.tenants, 0))
        router.gateway.configure(over_pools("sal@local", "sal@remote"))
        router.gateway.rotate([replica("l", url, pool="local")])
        await router.ask()
        found |= shown(router_page([router.chat], router.gateway.tenants, 0))
    assert listed(ROUTER) == found


def test_the_agents_page() -> None:
    one = Replica("a", "chat", "pool", Tier.ACTIVE, None, 0.0, "", "n", ())
    assert listed(AGENT) == shown(agent.page([one], {("pool", "ready"): 1}))


def test_engines_as_scraped_from_a_real_one() -> None:
    rows = (line.split() for line in SCRAPED.read_text(encoding="utf-8").splitlines())
    real = {name: set(labels) for name, *labels in rows}
    for metric in ENGINES:
        assert set(metric.labels) - set(ENGINE_TARGET) == real[metric.name], metric.name


def test_the_scrape_of_a_real_engine_has_what_collectors_read() -> None:
    real = {line.split()[0] for line in SCRAPED.read_text(encoding="utf-8").splitlines()}
    assert {metric.name for metric in ENGINES} <= real
    assert set(VLLM.anchor) <= real


def test_gpus_as_the_exporter_is_told() -> None:
    text = (ROOT / "deploy/dcgm-exporter/counters.csv").read_text(encoding="utf-8")
    rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    assert {name.strip(): kind.strip() for name, kind, *_ in rows} == {m.name: m.kind for m in GPUS}
    assert all(UUIDS[0] in metric.labels for metric in GPUS)


def test_both_generations_are_read_as_the_same_by_the_collector() -> None:
    for old, new in RENAMED.items():
        said = [read_dcgm("n", f'{name}{{UUID="u"}} 1\n'.encode(), 0.0)[0][0] for name in (old, new.name)]
        fields = [{f for f in vars_of(gpu) if f not in ("uuid", "node", "at_s")} for gpu in said]
        assert fields[0] == fields[1] and len(fields[0]) == 1, old
    assert {metric.name for metric in GPUS} - set(RENAMED) == {"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"}, "renamed, or not?"


def vars_of(gpu: GpuSample) -> set[str]:
    return {field.name for field in fields(gpu) if getattr(gpu, field.name) not in (None, "")}


def test_units_of_both_generations_meet() -> None:
    for old, new in RENAMED.items():
        (before,), (after,) = (read_dcgm("n", f'{n}{{UUID="u"}} 1\n'.encode(), 0.0)[0] for n in (old, new.name))
        (field,) = vars_of(before) - {"uuid", "node", "at_s"}
        assert getattr(before, field) == pytest.approx(eval(f"{getattr(after, field)}{new.times}")), old


def test_labels_of_targets_are_given_by_the_scrape_jobs() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/scrape.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    given = {rule["target_label"] for job in jobs for rule in job["relabel_configs"] if "target_label" in rule}
    assert {*ENGINE_TARGET, *GPU_TARGET} <= given


def test_values_of_labels_are_those_of_the_code() -> None:
    values = {metric.name: metric.values for metric in DAEMON}
    assert set(STATES) == {str(state) for state in (*Tier, *Transition)}
    assert set(values["leadtime_overrides"]["kind"]) == {str(kind) for kind in Kind}
    assert tuple(f"{h:g}" for h in HORIZONS_S) == HORIZONS
    assert tuple(f"{tau:g}" for tau in TAUS) == QUANTILES


def test_xids_are_classed_as_the_controller_does() -> None:
    restart = [xid for xid in range(1, 500) if xid_action(xid) is XidAction.RESTART_ENGINE]
    harmless = [xid for xid in range(1, 500) if xid_action(xid) is XidAction.NONE]
    assert (list(RESTART_XIDS), list(HARMLESS_XIDS)) == (restart, harmless)
