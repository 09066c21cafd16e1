"""The scrape jobs give the labels that the Prometheus source asks for, and Prometheus takes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from app.manifests.agent import documents as documents_of
from app.manifests.engine import Engine
from app.manifests.pod import template
from collectors.prometheus import NODE_LABEL
from tests.app.manifests.test_agent import AGENTS, of
from tests.app.manifests.test_engine import CHAT
from tests.deploy.charts import ALL, ROOT, documents, find, pods

FILES = (ROOT / "deploy" / "prometheus" / "scrape.yaml", ROOT / "deploy" / "prometheus" / "scrape-agents.yaml")
JOBS = {
    job["job_name"]: job for file in FILES for job in yaml.safe_load(file.read_text(encoding="utf-8"))["scrape_configs"]
}


def targets(job: str) -> set[str]:
    return {rule["target_label"] for rule in JOBS[job]["relabel_configs"] if "target_label" in rule}


def kept(job: str, source: str) -> str:
    rules = JOBS[job]["relabel_configs"]
    return next(rule["regex"] for rule in rules if rule.get("action") == "keep" and source in rule["source_labels"][0])


def test_engines_and_exporters_are_known_by_our_labels() -> None:
    assert {"leadtime_replica", "leadtime_service"} <= targets("leadtime-engines")
    assert NODE_LABEL in targets("leadtime-gpus")


def test_generated_engines_are_found() -> None:
    made = template(Engine(**CHAT))
    found = [rule["source_labels"][0] for rule in JOBS["leadtime-engines"]["relabel_configs"]]
    label = "leadtime.dev/service".replace(".", "_").replace("/", "_")
    assert (
        f"__meta_kubernetes_pod_labelpresent_{label}" in found and "leadtime.dev/service" in made["metadata"]["labels"]
    )
    assert made["spec"]["containers"][0]["ports"][0]["name"] == kept("leadtime-engines", "port_name")


def test_our_own_pods_are_found() -> None:
    ports = kept("leadtime", "port_name").split("|")
    for component in kept("leadtime", "component").split("|"):
        pod = pods(documents({"router": {"enabled": True}}))[component]
        assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == kept("leadtime", "io_name")
        assert pod["spec"]["containers"][0]["ports"][0]["name"] in ports


def relabelled(monitor: str) -> dict[str, list[str]]:
    """What a PodMonitor makes labels of; those with __ are Prometheus' own."""
    endpoint = find(documents(ALL), "PodMonitor", monitor)[0]["spec"]["podMetricsEndpoints"][0]
    return {
        rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"] if rule["targetLabel"][:2] != "__"
    }


def test_the_operator_gives_engines_the_labels_that_the_jobs_give() -> None:
    rules = JOBS["leadtime-engines"]["relabel_configs"]
    assert relabelled("-engines") == {r["target_label"]: r["source_labels"] for r in rules if "target_label" in r}
    assert not find(documents({"serviceMonitor": {"enabled": True}}), "PodMonitor")


def test_engines_in_agents_are_found_at_their_agents() -> None:
    """At the stable names of the StatefulSet's pods, without the agents' own pages, which have a job of their own."""
    job = JOBS["leadtime-agents-engines"]
    (service,) = (one for one in documents_of(AGENTS) if one["kind"] == "Service")
    host = f"{service['metadata']['name']}-0.{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert job["http_sd_configs"][0]["url"] == f"http://{host}:{service['spec']['ports'][0]['port']}/sd"
    assert job["relabel_configs"] == [{"source_labels": ["leadtime_job"], "action": "drop", "regex": "agent"}]


def test_agents_are_scraped_with_their_token_and_told_apart_by_pod() -> None:
    monitor = find(documents(ALL), "PodMonitor", "-agents")[0]["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    pod = of("StatefulSet")["spec"]["template"]
    assert endpoint["port"] == pod["spec"]["containers"][0]["ports"][0]["name"]
    assert monitor["selector"]["matchExpressions"][0]["key"] in pod["metadata"]["labels"]
    assert endpoint["authorization"]["credentials"] == {"name": "leadtime-agent", "key": "token"}
    rules = JOBS["leadtime-agents"]["relabel_configs"]
    assert relabelled("-agents") == {r["target_label"]: r["source_labels"] for r in rules if "target_label" in r}


@pytest.mark.prometheus
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_prometheus_takes_the_jobs(file: Path, tmp_path: Path) -> None:
    """Debian's build has no discovery in Kubernetes, so each job is given a fixed target instead."""
    (tmp_path / "token").touch()
    text = file.read_text(encoding="utf-8").replace("/etc/leadtime-agent/token", str(tmp_path / "token"))
    plain = tmp_path / "prometheus.yml"
    plain.write_text(text.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: [{targets: ['a:1']}]"))
    done = subprocess.run(["promtool", "check", "config", str(plain)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
