"""Prometheus' own tool takes the rules; every alert fires when it should, and is silent when it should be."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import alerts
from dashboards.files import files
from dashboards.settings import Settings
from tests.dashboards.scenes import SCENES, SINCE, XID, Scene, misses

RULES = ("prometheus/recording.yaml", "prometheus/alerts.yaml")
MADE = files(Settings())


def promtool(*words: str) -> str:
    """Its output; fails the test where it fails."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules as they are generated."""
    made = tmp_path_factory.mktemp("rules")
    (made / "prometheus").mkdir()
    for name in RULES:
        (made / name).write_text(MADE[name], encoding="utf-8")
    return made


def series(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": text} for name, text in values.items()]


def looked(scene: Scene, values: dict[str, str], fires: bool) -> dict[str, Any]:
    """A test of promtool: whether the alert is among those that fire."""
    firing = f'count(ALERTS{{alertname="{scene.alert}", alertstate="firing"}})'
    expected = [{"labels": "{}", "value": 1}] if fires else []
    expressions = [{"expr": firing, "eval_time": f"{scene.minutes}m", "exp_samples": expected}]
    return {"interval": "1m", "input_series": series(values), "promql_expr_test": expressions}


def run(folder: Path, tests: list[dict[str, Any]], every: str = "1m") -> str:
    """All of them at once."""
    document = {"rule_files": list(RULES), "evaluation_interval": every, "tests": tests}
    path = folder / "tests.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return promtool("test", "rules", str(path))


def test_every_alert_has_a_scene() -> None:
    named = [alert.name for group in alerts.groups(Settings()) for alert in group.alerts]
    assert sorted(scene.alert for scene in SCENES) == sorted(named)


@pytest.mark.prometheus
def test_prometheus_takes_the_rules(folder: Path) -> None:
    promtool("check", "rules", *(str(folder / name) for name in RULES))


@pytest.mark.prometheus
@pytest.mark.parametrize("scene", [*SCENES, *SINCE], ids=lambda scene: scene.alert)
def test_it_fires_when_it_should_and_only_then(scene: Scene, folder: Path) -> None:
    # Days are looked at more coarsely, which is ten times as quick.
    every = "10m" if scene.minutes > 1000 else "1m"
    run(folder, [looked(scene, scene.loud, True), looked(scene, scene.quiet, False)], every)


@pytest.mark.prometheus
def test_an_xid_that_the_gauge_keeps_is_past_after_six_hours(folder: Path) -> None:
    xid = {XID: "0x10 79x500"}
    recent, past = Scene("LeadtimeGpuXid", xid, {}, 360), Scene("LeadtimeGpuXid", xid, {}, 380)
    run(folder, [looked(recent, xid, True), looked(past, xid, False)], "5m")


@pytest.mark.prometheus
def test_what_people_are_told_names_the_service_and_the_number(folder: Path) -> None:
    rule = next(alert for group in alerts.groups(Settings()) for alert in group.alerts).rule(Settings())
    told = {name: text.replace("{{ $labels.service }}", "chat") for name, text in rule["annotations"].items()}
    told["summary"] = told["summary"].replace("{{ $value | humanizePercentage }}", "20%")
    alert = {"exp_labels": {"severity": "critical", "service": "chat"}, "exp_annotations": told}
    asked = [{"eval_time": "90m", "alertname": rule["alert"], "exp_alerts": [alert]}]
    run(folder, [{"interval": "1m", "input_series": series(misses(20)), "alert_rule_test": asked}])


@pytest.mark.prometheus
def test_the_estimate_speaks_only_where_no_router_counts(folder: Path) -> None:
    estimate = {
        'leadtime_slo_attainment_ratio{service="chat"}': "0.5x90",
        'leadtime_slo_attainment_ratio{service="b"}': "0.75x90",
    }
    expected = [
        {"labels": f'service:leadtime_missed:ratio_rate5m{{service="{name}"}}', "value": value}
        for name, value in (("chat", 0), ("b", 0.25))
    ]
    asked = [{"expr": "service:leadtime_missed:ratio_rate5m", "eval_time": "60m", "exp_samples": expected}]
    run(folder, [{"interval": "1m", "input_series": series(misses(0) | estimate), "promql_expr_test": asked}])


@pytest.mark.prometheus
def test_several_daemons_are_not_counted_twice(folder: Path) -> None:
    values = {f'leadtime_desired_replicas{{service="chat", instance="{name}"}}': "5x90" for name in "ab"}
    values |= {f'leadtime_replicas{{service="chat", state="active", instance="{name}"}}': "3x90" for name in "ab"}
    expected = [{"labels": 'service:leadtime_missing_replicas:max{service="chat"}', "value": 2}]
    asked = [{"expr": "service:leadtime_missing_replicas:max", "eval_time": "10m", "exp_samples": expected}]
    run(folder, [{"interval": "1m", "input_series": series(values), "promql_expr_test": asked}])
