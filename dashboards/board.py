"""What a Grafana dashboard is, and how it is written: panels in rows on a grid of 24 columns, from left to right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dashboards.settings import Settings

SCHEMA_VERSION = 42
"""The last of the classic model, which Grafana 12 and 13 read as it is."""

COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "leadtime"

Threshold = tuple[float | None, str]
"""From this value on (None: from the lowest) this colour."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and the legend of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. ``unit`` is Grafana's id of it; ``page`` is where in the console a click leads."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat", "table", "bargauge"] = "timeseries"
    width: int = 12
    height: int = 8
    thresholds: tuple[Threshold, ...] = ()
    stacked: bool = False
    page: str = ""
    least: float | None = None
    most: float | None = None

    def json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """As Grafana reads it, at that place of the grid."""
        links = [{"title": "Console", "url": f"${{console}}/{self.page}", "targetBlank": True}] if self.page else []
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": _options(self.kind),
            "targets": [self._target(at, query) for at, query in enumerate(self.queries)],
            "links": links,
        }

    def _target(self, at: int, query: Query) -> dict[str, Any]:
        instant = self.kind in ("table", "bargauge")
        return {
            "refId": chr(ord("A") + at),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "instant": instant,
            "range": not instant,
            "format": "table" if self.kind == "table" else "time_series",
        }

    def _defaults(self) -> dict[str, Any]:
        steps = [{"value": value, "color": color} for value, color in self.thresholds or ((None, "blue"),)]
        found: dict[str, Any] = {
            "unit": self.unit,
            "noValue": "no data",
            "thresholds": {"mode": "absolute", "steps": steps},
            "color": {"mode": "thresholds" if self.thresholds and self.kind != "timeseries" else "palette-classic"},
        }
        found |= {name: value for name, value in (("min", self.least), ("max", self.most)) if value is not None}
        if self.kind == "timeseries":
            found["custom"] = {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 25 if self.stacked else 0,
                # What is missing stays a gap in the line.
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "line" if self.thresholds else "off"},
            }
        return found


def _options(kind: str) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if kind == "timeseries":
        return {
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "calcs": ["lastNotNull", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    shape = {"reduceOptions": last, "orientation": "auto"}
    return shape | ({"colorMode": "value", "graphMode": "area"} if kind == "stat" else {"displayMode": "basic"})


@dataclass(frozen=True, slots=True)
class Variable:
    """A selector whose values are those of a label: ``query`` is ``label_values(metric, label)``."""

    name: str
    metric: str
    label: str
    text: str
    many: bool = True

    def json(self) -> dict[str, Any]:
        """As Grafana reads it."""
        query = f"label_values({self.metric}, {self.label})"
        return {
            "name": self.name,
            "label": self.text,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": self.name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": self.many,
            "includeAll": self.many,
            "current": {"text": "All", "value": ["$__all"]} if self.many else {},
            "options": [],
        }


SERVICES = Variable("service", "leadtime_policy_knob", "service", "Service")
ONE_SERVICE = Variable("service", "leadtime_policy_knob", "service", "Service", many=False)
POOLS = Variable("pool", 'leadtime_lead_time_seconds{service=~"$service"}', "pool", "Pool")
NODES = Variable("node", "gpu:dcgm_temperature:celsius", "leadtime_node", "Node")


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one headline."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; ``page`` is the console's page that belongs to it."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    page: str = ""

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in reading order."""
        return tuple(panel for row in self.rows for panel in row.panels)

    def json(self, settings: Settings) -> dict[str, Any]:
        """As Grafana imports it."""
        return {
            "id": None,
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "utc",
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "annotations": {"list": []},
            "templating": {"list": [_source(), *(v.json() for v in self.variables), _console(settings)]},
            "links": self._links(),
            "panels": list(_laid_out(self.rows)),
        }

    def _links(self) -> list[dict[str, Any]]:
        others = {"type": "dashboards", "title": "Leadtime", "tags": [TAG], "asDropdown": True}
        console = {
            "type": "link",
            "title": "Console",
            "url": f"${{console}}/{self.page}",
            "targetBlank": True,
            "tags": [],
        }
        return [others | {"includeVars": True, "keepTime": True, "url": "", "targetBlank": False}, console]


def _source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "options": [],
        "refresh": 1,
    }


def _console(settings: Settings) -> dict[str, Any]:
    value = settings.console_url
    chosen = {"text": value, "value": value, "selected": True}
    return {
        "name": "console",
        "label": "Console",
        "type": "textbox",
        "query": value,
        "current": chosen,
        "options": [chosen],
    }


def _laid_out(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    """Headlines and panels with their places; a panel that does not fit begins the next line."""
    number, y = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
        }
        number, y, x, tallest = number + 1, y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            yield panel.json(number, x, y)
            number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
        y += tallest
