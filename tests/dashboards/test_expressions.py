"""Every expression names only metrics, labels and label values that exist."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from autoscaler.safety import guardrails
from dashboards import alerts
from dashboards.alert import Alert
from dashboards.boards import boards
from dashboards.dcgm import RENAMED
from dashboards.names import EXPORTED, Metric
from dashboards.promql import Selector, used
from dashboards.recording import records
from dashboards.settings import Settings

SETTINGS = Settings()
TARGET = {"instance", "job"}
"""Labels that Prometheus gives to every series."""

KNOWN = {
    **EXPORTED,
    **{record.name: record.metric for record in records()},
    "ALERTS": Metric("ALERTS", "gauge", ("alertname", "alertstate", "severity", "service")),
}
ALERTS = [alert for group in alerts.groups(SETTINGS) for alert in group.alerts]


def expressions() -> Iterator[tuple[str, str]]:
    """(where, expression) of every panel, variable and rule."""
    for board in boards(SETTINGS):
        for panel in board.panels:
            yield from ((f"{board.uid}: {panel.title}", query.expr) for query in panel.queries)
        for variable in board.variables:
            yield f"{board.uid}: ${variable.name}", f"max by ({variable.label}) ({variable.metric})"
    for record in records():
        yield record.name, record.expr
    for alert in ALERTS:
        yield alert.name, alert.expr


def moved(expression: str) -> set[str]:
    """Labels that ``label_replace`` makes."""
    return set(re.findall(r'label_replace\(.*?, "(\w+)", "\$1"', expression))


def unknown(selector: Selector) -> Iterator[str]:
    """What of a selector does not exist."""
    metric = KNOWN.get(selector.metric)
    if metric is None:
        yield f"metric {selector.metric}"
        return
    for label, operator, value in selector.matchers:
        if label not in metric.labels:
            yield f"{metric.name}: label {label}"
        said = set(value.split("|")) if "$" not in value else set()
        if label in metric.values and operator != "!~" and said - set(metric.values[label]):
            yield f"{metric.name}: {label}={value}"


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_name_exists(where: str, expression: str) -> None:
    found = used(expression)
    assert [trouble for selector in found.selectors for trouble in unknown(selector)] == []
    labels = {label for selector in found.selectors for label in KNOWN[selector.metric].labels}
    assert found.grouped <= labels | moved(expression) | TARGET
    assert found.selectors


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_a_gpu_is_seen_by_its_names_of_either_generation(where: str, expression: str) -> None:
    named = {selector.metric for selector in used(expression).selectors}
    assert {RENAMED[name].name for name in named & RENAMED.keys()} == named & {new.name for new in RENAMED.values()}


def test_records_come_after_what_they_are_made_of() -> None:
    seen: set[str] = set()
    for record in records():
        for selector in used(record.expr).selectors:
            assert selector.metric in EXPORTED or selector.metric in seen, record.name
        seen.add(record.name)
    assert len(seen) == len(records())


@pytest.mark.parametrize("expr", ["rate(leadtime_gpus[5m])", "leadtime_ticks_total"])
def test_counters_and_gauges_are_told_apart(expr: str) -> None:
    assert list(misused(expr))


def misused(expression: str) -> Iterator[str]:
    """Gauges that are rated, and counters that are not."""
    rated = set(re.findall(r"(?:rate|increase)\((\w[\w:]*)", expression))
    for selector in used(expression).selectors:
        kind = KNOWN[selector.metric].kind
        if (kind in ("counter", "histogram")) != (selector.metric in rated) and "absent(" not in expression:
            yield selector.metric


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_counters_are_rated_and_gauges_are_not(where: str, expression: str) -> None:
    assert list(misused(expression)) == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_speaks_only_of_labels_that_it_keeps(alert: Alert) -> None:
    text = str(alert.rule(SETTINGS)["annotations"])
    spoken = set(re.findall(r"\$labels\.(\w+)", text))
    found = used(alert.expr)
    kept = {label for s in found.selectors for label in KNOWN[s.metric].labels if KNOWN[s.metric].kind == "record"}
    assert spoken <= found.grouped | kept


def test_reasons_that_alerts_wait_for_are_those_of_guardrails() -> None:
    reasons = {v for a in ALERTS for s in used(a.expr).selectors for label, _, v in s.matchers if label == "reason"}
    given = set(re.findall(r'Bound\(\s*"(\w+)"', inspect.getsource(guardrails)))
    assert reasons == {"max", "budget", "inventory", "unschedulable"} and reasons <= given
