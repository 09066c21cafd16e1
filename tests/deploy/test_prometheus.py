"""The scrape jobs give the labels that the Prometheus source asks for, and Prometheus takes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from app.manifests.engine import Engine
from app.manifests.pod import template
from collectors.prometheus import NODE_LABEL
from tests.app.manifests.test_engine import CHAT
from tests.deploy.charts import ROOT, documents, pods

FILE = ROOT / "deploy" / "prometheus" / "scrape.yaml"
JOBS = {job["job_name"]: job for job in yaml.safe_load(FILE.read_text(encoding="utf-8"))["scrape_configs"]}


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


@pytest.mark.prometheus
def test_prometheus_takes_the_jobs(tmp_path: Path) -> None:
    """Debian's build has no discovery in Kubernetes, so each job is given a fixed target instead."""
    text = FILE.read_text(encoding="utf-8")
    plain = tmp_path / "prometheus.yml"
    plain.write_text(text.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: [{targets: ['a:1']}]"))
    done = subprocess.run(["promtool", "check", "config", str(plain)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
