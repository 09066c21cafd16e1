"""Reads dcgm-exporter in its three naming generations, in base units.

Up to 4.8 the legacy names (MiB, %, mJ), from 4.9 canonical names whose suffix tells the unit. Not every 4.9
spelling has been seen, so names are matched by their stem and the unit is taken from the suffix, or from
the value range where the suffix is ambiguous (``GPU_UTIL_RATIO`` is a percentage in DCGM 4.6). Labels:
``UUID``, ``uuid`` or ``gpu_uuid``; the workload's pod is ``exported_pod`` behind Prometheus and
``pod_name`` in the old namespace. Blank values, which old exporters print as huge numbers, are no values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collectors.exposition import Page, Wanted, parse
from collectors.observation import Gap, GpuSample

PREFIX = "DCGM_FI_"
WANTED = Wanted(prefixes=(PREFIX,))
MIB = 1024.0 * 1024.0
ANCHOR = "DCGM_FI_DEV_GPU_TEMP(_CELSIUS)?"
"""Pattern of a metric that every exporter has: its age is the age of the page."""

UUIDS = ("UUID", "uuid", "gpu_uuid")
PODS = ("exported_pod", "pod", "pod_name")
MODELS = ("modelName", "model_name")
MIG = "GPU_I_ID"
LABELS = (*UUIDS, *PODS, *MODELS, MIG, "gpu")
"""Every label looked at."""

BLANK_FROM = 9e15
_BLANKS = ((2147483632.0, 2147483647.0), (140737488355328.0, 140737488355343.0))


@dataclass(frozen=True, slots=True)
class Rule:
    """How one of our fields is spelt after ``DCGM_FI_``, and what a legacy unit is multiplied by.

    A name that ends in ``suffix`` is in base units already.
    """

    field: str
    pattern: str
    suffix: str = ""
    legacy: float = 1.0


RULES = (
    Rule("util_ratio", r"DEV_GPU_UTIL(_RATIO)?", "_RATIO", 0.01),
    Rule("sm_active_ratio", r"PROF_SM_(ACTIVE|UTIL)(_RATIO)?"),
    Rule("tensor_active_ratio", r"PROF_(PIPE_)?TENSOR_(ACTIVE|UTIL)(_RATIO)?"),
    Rule("dram_active_ratio", r"PROF_DRAM_(ACTIVE|UTIL)(_RATIO)?"),
    Rule("memory_used_bytes", r"DEV_FB_USED(_BYTES|_MEBIBYTES)?", "_BYTES", MIB),
    Rule("memory_free_bytes", r"DEV_FB_FREE(_BYTES|_MEBIBYTES)?", "_BYTES", MIB),
    Rule("power_watts", r"DEV_(POWER_USAGE|BOARD_POWER)(_WATTS)?"),
    Rule("energy_joules", r"DEV_[A-Z_]*ENERGY[A-Z_]*", "JOULES", 0.001),
    Rule("temperature_celsius", r"DEV_GPU_TEMP(_CELSIUS)?"),
    Rule("xid", r"DEV_XID_ERRORS?"),
    Rule("row_remap_failed", r"DEV_ROW_REMAP_(FAILURE|FAILED)"),
    Rule("ecc_double_bit", r"DEV_ECC_(DBE|UNCORRECTABLE|DOUBLE_BIT)_VOL(ATILE)?(_TOTAL)?"),
)


def pattern() -> str:
    """One regular expression (RE2) that matches every metric name looked at."""
    return PREFIX + "(" + "|".join(f"({rule.pattern})" for rule in RULES) + ")"


def read_dcgm(node: str, page: bytes, at_s: float) -> tuple[tuple[GpuSample, ...], tuple[Gap, ...]]:
    """One scraped page as samples of GPUs (and MIG slices), with a gap for what could not be read."""
    return samples_of(node, parse(page, WANTED), at_s)


def samples_of(node: str, page: Page, at_s: float) -> tuple[tuple[GpuSample, ...], tuple[Gap, ...]]:
    """As ``read_dcgm``, of a page that is already parsed."""
    gaps = [Gap(node, f"{gap.subject}: {gap.reason}") for gap in page.gaps]
    if not page.samples:
        return (), (*gaps, Gap(node, "no DCGM metric on its page"))
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for name, samples in page.samples.items():
        rule = _rule(name)
        scale = _scale(rule, name, [value for _, value in samples]) if rule else 1.0
        for series, value in samples:
            gpu = _gpu(seen, series.labels, node, at_s)
            if gpu is None:
                gaps.append(Gap(node, f"{name}: a row without the GPU's UUID"))
            elif rule and not math.isfinite(value):
                gaps.append(Gap(node, f"{name} of {gpu['uuid']} is {value}"))
            elif rule and not _is_blank(value):
                gpu[rule.field] = int(value) if rule.field == "xid" else value * scale
    return tuple(GpuSample(**gpu) for gpu in _pods(seen)), tuple(gaps)


def _rule(name: str) -> Rule | None:
    if name not in _RULE_OF:
        rest = name.removeprefix(PREFIX)
        _RULE_OF[name] = next((rule for rule in RULES if re.fullmatch(rule.pattern, rest)), None)
    return _RULE_OF[name]


_RULE_OF: dict[str, Rule | None] = {}


def _scale(rule: Rule, name: str, values: list[float]) -> float:
    """What values under that name are multiplied by; a ratio that exceeds 1 on any GPU was a percentage on
    all.
    """
    if rule.suffix and (rule.suffix not in name or "MILLIJOULES" in name):
        return rule.legacy
    percent = rule.field.endswith("_ratio") and any(1 < v < BLANK_FROM and not _is_blank(v) for v in values)
    return 0.01 if percent else 1.0


def _is_blank(value: float) -> bool:
    return value >= BLANK_FROM or any(low <= value <= high for low, high in _BLANKS)


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _gpu(
    seen: dict[tuple[str, str], dict[str, Any]], labels: Mapping[str, str], node: str, at_s: float
) -> dict[str, Any] | None:
    uuid = _first(labels, UUIDS)
    if not uuid:
        return None
    gpu = seen.setdefault((uuid, labels.get(MIG, "")), {"uuid": uuid, "node": node, "at_s": at_s})
    gpu |= {"index": labels.get("gpu", ""), "model": _first(labels, MODELS), "mig": labels.get(MIG, "")}
    gpu["pods"] = {name: labels[name] for name in PODS if labels.get(name)} or gpu.get("pods", {})
    return gpu


def _pods(seen: Mapping[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """GPUs with their workload's pod; where any row has ``exported_pod``, ``pod`` is the exporter's own."""
    exported = any("exported_pod" in gpu["pods"] for gpu in seen.values())
    names = PODS[:1] if exported else PODS
    return [gpu | {"pod": _first(gpu.pop("pods"), names) or None} for gpu in seen.values()]
