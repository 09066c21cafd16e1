"""Nodes and GPUs as a map, a table and a few words. Pure.

A GPU's state is told by its colour, by a letter on it and by the word in the table, so that none of them stands alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence

import altair as alt
import pandas as pd

from app.api.nodes import GpuView, NodesView, NodeView
from app.console import charts, format
from app.console.charts import FAINT, GREEN, ORANGE, PURPLE, RED
from app.console.tiles import Tile, Verdict

STATES = {
    "busy": ("Busy", "B", GREEN),
    "idle_held": ("Held, doing nothing", "H", ORANGE),
    "idle": ("Idle", "", FAINT),
    "faulty": ("Faulty", "!", RED),
    "unseen": ("Held, not seen", "?", PURPLE),
}
"""Word, letter and colour of each state; a square without a letter is idle."""

COLOURED = {
    "State": None,
    "Tensor cores": ("tensor", "%", 100.0),
    "Memory bandwidth": ("bandwidth", "%", 100.0),
    "Memory used": ("memory", "%", 100.0),
    "Power": ("watts", "W", None),
    "Temperature": ("celsius", "°C", None),
}
"""What the map may be coloured by: column, unit, and the end of its scale."""

GIB = 2**30
ROW_PX = 26
LABEL_CHARS = 20
"""Most of a node's name beside its row: more would leave a phone no room for the map."""
CALM = ("busy", "idle", "idle_held")


def frame(nodes: Sequence[NodeView]) -> pd.DataFrame:
    """One line per GPU; figures that nobody told are missing."""
    rows = [line(node, gpu, at) for node in nodes for at, gpu in enumerate(node.gpus)]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["node", "gpu"])


def line(node: NodeView, gpu: GpuView, at: int) -> dict[str, object]:
    """One GPU."""
    word, letter, _ = STATES[gpu.state]
    total, used = gpu.memory_total_bytes, gpu.memory_used_bytes
    return {
        "node": node.node,
        "gpu": f"{gpu.index or at}{f'/{gpu.mig}' if gpu.mig else ''}",
        "state": word,
        "service": gpu.service,
        "replica": gpu.replica,
        "tier": gpu.tier,
        "tensor": percent(gpu.tensor_active_ratio),
        "bandwidth": percent(gpu.dram_active_ratio),
        "busy": percent(gpu.util_ratio),
        "memory": None if used is None or not total else 100 * used / total,
        "memory_gib": None if used is None else used / GIB,
        "watts": gpu.power_watts,
        "celsius": gpu.temperature_celsius,
        "xid": gpu.xid,
        "asks for": gpu.xid_action,
        "ecc": gpu.ecc_double_bit,
        "remap failed": gpu.row_remap_failed,
        "model": gpu.model,
        "uuid": gpu.uuid,
        "slot": at,
        "letter": letter,
    }


def percent(share: float | None) -> float | None:
    """A share in per cent."""
    return None if share is None else 100 * share


def troubled(node: NodeView) -> bool:
    """Whether somebody should look at a node."""
    return node.gap is not None or any(gpu.state not in CALM for gpu in node.gpus)


def chosen(found: NodesView, service: str | None, trouble: bool) -> list[NodeView]:
    """Nodes where a service has a replica (None: all), and only those in trouble if asked."""
    nodes = [node for node in found.nodes if troubled(node)] if trouble else found.nodes
    return [node for node in nodes if service is None or any(gpu.service == service for gpu in node.gpus)]


def tiles(nodes: Sequence[NodeView]) -> list[Tile]:
    """GPUs by state, mean activity of those that are busy, and power."""
    gpus = [gpu for node in nodes for gpu in node.gpus]
    counts = Counter(gpu.state for gpu in gpus)
    busy = [gpu for gpu in gpus if gpu.state == "busy"]
    tensor, bandwidth = (
        mean([getattr(gpu, name) for gpu in busy]) for name in ("tensor_active_ratio", "dram_active_ratio")
    )
    watts = [gpu.power_watts for gpu in gpus if gpu.power_watts is not None]
    hottest = max((gpu.temperature_celsius for gpu in gpus if gpu.temperature_celsius is not None), default=None)
    bad: Verdict = "bad" if counts["faulty"] else "good"
    return [
        Tile("Busy", str(counts["busy"]), f"{len(gpus)} in all", "neutral", (), "GPUs that work."),
        Tile(
            "Held, doing nothing",
            str(counts["idle_held"]),
            "a replica holds them" if counts["idle_held"] else "none held in vain",
            "warning" if counts["idle_held"] else "good",
            (),
            "GPUs whose memory is taken by a replica that does nothing: standby, or waste.",
        ),
        Tile("Idle", str(counts["idle"]), "nobody holds them", "neutral", (), "GPUs that could be given away."),
        Tile(
            "Faulty",
            str(counts["faulty"]),
            f"{counts['unseen']} not seen" if counts["unseen"] else "all seen",
            "warning" if counts["unseen"] and not counts["faulty"] else bad,
            (),
            "GPUs whose last XID or uncorrectable memory error asks for more than a restart.",
        ),
        Tile(
            "Tensor / bandwidth",
            f"{format.percent(tensor, 0)} / {format.percent(bandwidth, 0)}",
            "mean of busy GPUs",
            "neutral" if busy else "unknown",
            (),
            "Share of time in which tensor cores and memory are at work. Decoding is bound by bandwidth.",
        ),
        Tile(
            "Power",
            f"{format.number(sum(watts) / 1000, 1)} kW" if watts else format.DASH,
            f"hottest {format.number(hottest, 0)} °C" if hottest is not None else "no temperatures",
            "neutral" if watts else "unknown",
            (),
            "Of all GPUs that tell it.",
        ),
    ]


def mean(values: Sequence[float | None]) -> float | None:
    """Of what is known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def finding(nodes: Sequence[NodeView]) -> str:
    """How many there are, and how many want a look."""
    count = sum(len(node.gpus) for node in nodes)
    trouble = sum(map(troubled, nodes))
    return f"{count} GPUs on {len(nodes)} nodes, " + (f"{trouble} nodes want a look" if trouble else "all well")


def short(nodes: Sequence[str]) -> dict[str, str]:
    """Long names by their ends, where nodes of a pool differ; whole where ends alone would not tell them apart."""
    ends = {name: name if len(name) <= LABEL_CHARS else f"…{name[1 - LABEL_CHARS :]}" for name in nodes}
    return ends if len(set(ends.values())) == len(ends) else {name: name for name in nodes}


def chart(data: pd.DataFrame, by: str) -> alt.LayerChart:
    """The map: a row per node, a square per GPU, coloured by its state or by a figure."""
    nodes = data["node"].unique().tolist()
    labels = f"{json.dumps(short(nodes))}[datum.value]"
    axis = alt.Axis(labelLimit=0, labelOverlap=False, labelExpr=labels)
    y = alt.Y("node:N", title=None, sort=nodes, axis=axis)
    x = alt.X("slot:O", title="GPU", axis=alt.Axis(labelAngle=0))
    names = ("node", "gpu", "state", "service", "replica", "tier", "model")
    tips = [alt.Tooltip(f"{name}:N") for name in names]
    for name, unit in (("tensor", "%"), ("bandwidth", "%"), ("memory", "%"), ("watts", "W"), ("celsius", "°C")):
        tips.append(alt.Tooltip(f"{name}:Q", title=f"{name}, {unit}", format=",.0f"))
    tips += [alt.Tooltip("xid:Q"), alt.Tooltip("asks for:N"), alt.Tooltip("ecc:Q")]
    base = alt.Chart().encode(x, y, tooltip=tips)
    squares = base.mark_rect(stroke="#8a949e", strokeWidth=0.5, cornerRadius=3).encode(colour(by, set(data["state"])))
    what = COLOURED[by]
    label = alt.Text("letter:N") if what is None else alt.Text(f"{what[0]}:Q", format=",.0f")
    text = base.mark_text(fontSize=11, fontWeight="bold", color="#10161c").encode(label)
    return charts.finished(data, [squares, text], height=ROW_PX * max(1, data["node"].nunique()) + 130)


def colour(by: str, present: Collection[str]) -> alt.Color:
    """The scale of the squares; its legend tells the letters of the states that are there."""
    what = COLOURED[by]
    if what is None:
        seen = [look for look in STATES.values() if look[0] in present]
        scale = alt.Scale(domain=[word for word, _, _ in seen], range=[shade for _, _, shade in seen])
        key = charts.legend(2, "square", stroke_px=0)
        key.labelExpr = (
            f"{json.dumps({word: f'{word} ({mark})' if mark else word for word, mark, _ in seen})}[datum.label]"
        )
        return alt.Color("state:N", scale=scale, legend=key)
    column, unit, end = what
    scale = alt.Scale(scheme="lightorange", domain=alt.DomainUnionWith(unionWith=[0.0, end or 1.0]))
    return alt.Color(f"{column}:Q", scale=scale, legend=alt.Legend(orient="top", title=unit, gradientLength=160))
