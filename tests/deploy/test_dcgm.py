"""The counters that dcgm-exporter is told to give are those that the collector reads, all of them and no others."""

from __future__ import annotations

import re

import yaml

from collectors.dcgm import PREFIX, RULES
from tests.deploy.charts import ROOT

FOLDER = ROOT / "deploy" / "dcgm-exporter"
CSV = (FOLDER / "counters.csv").read_text(encoding="utf-8")


def counters() -> list[list[str]]:
    lines = [line for line in CSV.splitlines() if line.strip() and not line.startswith("#")]
    return [[cell.strip() for cell in line.split(",")] for line in lines]


def test_every_counter_is_read_and_everything_read_is_counted() -> None:
    read = [
        rule.field for name, *_ in counters() for rule in RULES if re.fullmatch(rule.pattern, name.removeprefix(PREFIX))
    ]
    assert sorted(read) == sorted(rule.field for rule in RULES)
    assert len(read) == len(counters())


def test_each_line_is_field_type_and_help() -> None:
    for name, kind, *words in counters():
        assert name.startswith(PREFIX) and kind in ("gauge", "counter") and len(words) == 1, name


def test_the_chart_is_given_the_same_list() -> None:
    values = yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))
    assert values["customMetrics"] == CSV
    assert values["serviceMonitor"]["relabelings"][0]["targetLabel"] == "leadtime_node"
