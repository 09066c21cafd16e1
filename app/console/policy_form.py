"""The policy form as a table: one line per field, with its label, unit and kind of widget.

Help texts and bounds come from the policy's JSON Schema, so they are written once, where the policy is defined. The
server validates; the form only makes it easy to say what is meant. Pure: policy ↔ form values.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import yaml

from app.yamlfile import Plain

Kind = Literal["choice", "integer", "number", "optional_number", "optional_moment", "yaml"]


@dataclass(frozen=True, slots=True)
class FormField:
    """One field: where it stands in the policy (dotted), what it is called, its unit, its widget."""

    path: str
    label: str
    unit: str = ""
    kind: Kind = "number"
    step: float = 1.0
    options: tuple[str, ...] = ()
    digits: int = 2

    @property
    def title(self) -> str:
        """Label with unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class FormSection:
    """Fields that belong together; those that are seldom changed are folded away."""

    title: str
    fields: tuple[FormField, ...]
    seldom: bool = False


SECTIONS = (
    FormSection(
        "Mode",
        (
            FormField("mode", "Mode", kind="choice", options=("off", "shadow", "auto", "paused")),
            FormField("paused_until_s", "Paused until", "UTC", "optional_moment"),
            FormField("stale_after_s", "Data is stale after", "s", step=5, digits=0),
        ),
    ),
    FormSection(
        "Replicas",
        (
            FormField("replicas.min", "Minimum", "replicas", "integer"),
            FormField("replicas.max", "Maximum", "replicas", "integer"),
            FormField("replicas.idle_s", "To zero when idle for", "s", step=30, digits=0),
            FormField("standby.min", "Least standby and asleep", "replicas", "integer"),
            FormField("standby.max", "Most standby and asleep", "replicas", "integer"),
            FormField("standby.tier", "Spare replicas wait", kind="choice", options=("standby", "asleep")),
        ),
    ),
    FormSection(
        "Service level",
        (
            FormField("slo.ttft_s", "TTFT target", "s", step=0.1),
            FormField("slo.ttft_s_per_1k_tokens", "TTFT growth", "s per 1k prompt tokens", step=0.1),
            FormField("slo.tpot_s", "TPOT target", "s", step=0.005, digits=3),
            FormField("slo.attainment", "Attainment target", "share", step=0.005, digits=4),
            FormField("routing", "Requests are sent", kind="choice", options=("by-load", "blind")),
        ),
    ),
    FormSection(
        "Cost and risk",
        (
            FormField("risk.shortage_usd_per_replica_hour", "Cost of being short", "$ per replica-hour", step=10),
            FormField("risk.headroom", "Headroom", "factor", step=0.05),
            FormField("risk.spot_base", "Served without spot", "quantile", step=0.05),
            FormField("priority", "Priority", kind="integer"),
            FormField("budget_usd_per_hour", "Budget", "$ per hour", "optional_number", step=10),
        ),
    ),
    FormSection(
        "Known events",
        (FormField("events", "Launches, campaigns, holidays", "YAML list", "yaml"),),
    ),
    FormSection(
        "Weekly schedule",
        (FormField("schedule", "At least so many replicas, from when to when", "YAML list", "yaml"),),
    ),
    FormSection(
        "Scale out",
        (
            FormField("scale_out.max_step", "Most added at once", "replicas", "integer"),
            FormField("reactive.scale_out_above", "Latency asks for more above", "× target", step=0.05),
            FormField("scale_out.max_factor", "Largest growth", "factor", step=0.1),
            FormField("reactive.load_factor", "Load counts as", "times itself", step=0.05),
            FormField("reactive.kv_above", "KV memory asks for more above", "share", step=0.05),
            FormField("reactive.waiting_above", "Queue asks for more above", "requests per replica", step=1, digits=0),
            FormField("reactive.preemptions_above_per_min", "Preemptions ask for more above", "per replica and min"),
        ),
        seldom=True,
    ),
    FormSection(
        "Scale in",
        (
            FormField("reactive.scale_in_below", "Latency lets go below", "× target", step=0.05),
            FormField("scale_in.window_s", "Look back over", "s", step=30, digits=0),
            FormField("scale_in.cooldown_s", "Cooldown", "s", step=10, digits=0),
            FormField("scale_in.max_step", "Most removed at once", "replicas", "integer"),
            FormField("scale_in.settle_after_restart_s", "Hold after restart", "s", step=30, digits=0),
            FormField("scale_in.drain_deadline_s", "A drain is late after", "s", step=60, digits=0),
        ),
        seldom=True,
    ),
    FormSection(
        "Tuning",
        (
            FormField("tuning.mode", "Settings follow the past", kind="choice", options=("off", "advise", "auto")),
            FormField("tuning.every_s", "Search every", "s", step=300, digits=0),
            FormField("tuning.over_s", "Over the past", "s", step=3600, digits=0),
            FormField("tuning.margin", "Switch for a gain of", "share", step=0.01),
        ),
        seldom=True,
    ),
    FormSection(
        "Oscillation",
        (
            FormField("oscillation.turns", "Restless after changes of direction", kind="integer"),
            FormField("oscillation.within_s", "Counted over", "s", step=60, digits=0),
            FormField("oscillation.widen", "Then longer by", "factor", step=0.5),
            FormField("oscillation.calm_s", "For", "s", step=60, digits=0),
        ),
        seldom=True,
    ),
)
FIELDS = tuple(field for section in SECTIONS for field in section.fields)


def value_at(policy: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where the policy leaves it out."""
    value: Any = policy
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def to_widget(field: FormField, value: Any) -> Any:
    """A policy's value as the field's widget holds it."""
    if value is None:
        return None
    match field.kind:
        case "integer":
            return int(value)
        case "number" | "optional_number":
            return float(value)
        case "optional_moment":
            return datetime.fromtimestamp(float(value), tz=UTC).replace(tzinfo=None)
        case "yaml":
            return yaml.safe_dump(value, sort_keys=False, allow_unicode=True) if value else ""
        case _:
            return value


class PlainLoader(Plain):
    """Times stay as they are written: the server reads them."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def from_widget(field: FormField, value: Any) -> Any:
    """What the widget holds as the policy says it; a moment is read as UTC, a list that is no YAML is left as text."""
    if field.kind == "optional_moment" and isinstance(value, datetime):
        return value.replace(tzinfo=UTC).timestamp()
    if field.kind == "yaml":
        try:
            return yaml.load(value or "", PlainLoader) or []
        except yaml.YAMLError:
            return value
    return value


def to_policy(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the form's ``values`` (by path) in it; what the form does not show is kept."""
    policy: dict[str, Any] = deepcopy(dict(base))
    for field in FIELDS:
        if field.path in values:
            *parents, leaf = field.path.split(".")
            section = policy
            for key in parents:
                section = section.setdefault(key, {})
            section[leaf] = from_widget(field, values[field.path])
    return policy


def rebased(base: Mapping[str, Any], draft: Mapping[str, Any], newest: Mapping[str, Any]) -> dict[str, Any]:
    """``newest`` with those fields in which ``draft`` differs from ``base``."""
    changed = {
        field.path: to_widget(field, value_at(draft, field.path))
        for field in FIELDS
        if value_at(draft, field.path) != value_at(base, field.path)
    }
    return to_policy(newest, changed)


def schema_at(schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The schema of the field at a dotted path, references resolved; empty where it does not know the field."""
    here: Mapping[str, Any] = schema
    for key in path.split("."):
        here = resolved(schema, here).get("properties", {}).get(key, {})
    return resolved(schema, here)


def resolved(schema: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, Any]:
    """``here`` merged with what its ``$ref`` or its one non-null alternative says."""
    merged = dict(here)
    alternatives = [part for part in here.get("anyOf", ()) if part.get("type") != "null"]
    for part in (*here.get("allOf", ()), *(alternatives if len(alternatives) == 1 else ())):
        merged = resolved(schema, part) | merged
    if "$ref" in here:
        name = str(here["$ref"]).rsplit("/", 1)[-1]
        merged = resolved(schema, schema.get("$defs", {}).get(name, {})) | merged
    return merged


def help_text(schema: Mapping[str, Any], path: str) -> str | None:
    """The field's description and, where there are any, its bounds."""
    part = schema_at(schema, path)
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = ", ".join(f"{sign} {part[key]:g}" for key, sign in signs.items() if key in part)
    text = str(part.get("description", "")).strip()
    return f"{text} ({bounds})" if text and bounds else text or bounds or None
