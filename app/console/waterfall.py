"""One decision as a waterfall: what asked for how many, and what then raised or lowered it, one step after the other.

Pure. A decision lists its voices (what is needed), then its bounds in the order in which they were applied; walking
that list again gives the number after each step, which the ledger does not keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt
import pandas as pd

from app.api.schemas.decisions import ConstraintView, DecisionRow
from app.console import charts
from app.console.charts import BLUE, GREEN, GREY, ORANGE, PURPLE, RED

Kind = Literal["voice", "proposal", "bound", "result"]

VOICES = ("forecast", "load", "latency", "kv", "queue", "preemptions", "rejections")
"""Constraints that say what is needed; the loudest is the proposal."""
CAPS = ("scale_out_step", "unschedulable", "max", "budget", "inventory")
"""Bounds that lower. Every bound that is neither here nor in ``EXACT`` raises."""
EXACT = ("pin", "freeze")
"""Bounds that set the number."""
ASIDE = ("health",)
"""Named beside a decision; replaces sick replicas and bounds nothing."""

FAMILIES = {
    "forecast": ("Forecast", ORANGE),
    "load": ("Load now", BLUE),
    "distress": ("Latency, queue, memory", RED),
    "floor": ("Held up by a floor", GREEN),
    "cap": ("Held down by a cap", PURPLE),
    "hand": ("By hand or schedule", GREY),
}
"""What decides, in six families: name and colour."""

HANDS = ("pin", "freeze", "at_least", "schedule")
RAISED, LOWERED, ASKED = "raised", "lowered", "asks for"
STYLES = {RAISED: (GREEN, "triangle-right"), LOWERED: (PURPLE, "triangle-left"), ASKED: (BLUE, "circle")}


@dataclass(frozen=True, slots=True)
class Step:
    """One line: ``asks`` is the constraint's own number, ``before`` and ``after`` the running one."""

    name: str
    kind: Kind
    asks: int
    before: int
    after: int
    binds: bool
    detail: str


def steps(row: DecisionRow) -> list[Step]:
    """Voices, the proposal that came of them, every bound, and what was wanted in the end."""
    voices = [c for c in row.constraints if c.name in VOICES]
    proposal = max((voice.replicas for voice in voices), default=0)
    told = [Step(c.name, "voice", c.replicas, proposal, proposal, c.binds, c.detail) for c in voices]
    told.append(Step("proposal", "proposal", proposal, proposal, proposal, False, loudest(voices, proposal)))
    value = proposal
    for bound in row.constraints:
        if bound.name not in VOICES + ASIDE:
            after = moved(bound, value)
            told.append(Step(bound.name, "bound", bound.replicas, value, after, bound.binds, bound.detail))
            value = after
    rest = "" if value == row.desired_active else "sick replicas are replaced meanwhile"
    told.append(Step("wanted", "result", row.desired_active, value, row.desired_active, False, rest))
    return told


def moved(bound: ConstraintView, value: int) -> int:
    """The value within a bound."""
    if bound.name in EXACT:
        return bound.replicas
    return min(value, bound.replicas) if bound.name in CAPS else max(value, bound.replicas)


def loudest(voices: Sequence[ConstraintView], proposal: int) -> str:
    """Whose number the proposal is."""
    names = [voice.name for voice in voices if voice.replicas == proposal]
    return f"the most that anything asks for: {', '.join(names)}" if names else "nothing could be known"


def family(binding: str) -> str:
    """The family of what decided; a name that no list has counts as a floor."""
    if binding in HANDS:
        return "hand"
    if binding in CAPS:
        return "cap"
    if binding in VOICES:
        return binding if binding in ("forecast", "load") else "distress"
    return "floor"


def sentence(row: DecisionRow) -> str:
    """Proposal → clamps → result in one line."""
    walked = steps(row)
    proposal = next(step for step in walked if step.kind == "proposal")
    clamps = [f"{step.name} {verb(step)} it to {step.after}" for step in walked if clamped(step)]
    return (
        f"Proposed {proposal.after}; " + (", ".join(clamps) or "no bound moved it") + f"; wanted {row.desired_active}."
    )


def otherwise(row: DecisionRow, more: bool) -> list[str]:
    """What would have made it more, or fewer; what is held by hand stands in the way of both."""
    decided = steps(row)[-1].before  # replacements for sick replicas are no part of what was decided
    return [each.text for each in row.alternatives if (each.replicas >= decided if more else each.replicas <= decided)]


def clamped(step: Step) -> bool:
    """Whether a bound changed the number."""
    return step.kind == "bound" and step.before != step.after


def verb(step: Step) -> str:
    """Raised or lowered."""
    return RAISED if step.after > step.before else LOWERED


def table(row: DecisionRow) -> pd.DataFrame:
    """One line per step, as the chart's table and download have it."""
    return pd.DataFrame(
        [
            {
                "step": step.name,
                "kind": step.kind,
                "asks for": step.asks,
                "before": step.before,
                "after": step.after,
                "effect": verb(step) if step.before != step.after else "decides" if step.binds else "",
                "why": step.detail,
            }
            for step in steps(row)
        ]
    )


def chart(row: DecisionRow) -> alt.LayerChart:
    """Steps from top to bottom, replicas to the right: what each asks for, and how far it moved the number."""
    frame = pd.DataFrame(
        [
            {
                "step": f"{step.name.replace('_', ' ')}{' ▸ decides' if step.binds else ''}",
                "asks": step.asks if step.kind in ("voice", "bound") else None,
                "after": step.after if step.kind in ("proposal", "bound", "result") else None,
                "before": step.before,
                "sign": verb(step) if step.before != step.after else None,
                "label": str(step.after if step.kind != "voice" else step.asks),
                "at": step.asks if step.kind == "voice" else max(step.before, step.after),
                "why": step.detail,
            }
            for step in steps(row)
        ]
    )
    names = list(STYLES)
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=names, range=[colour for colour, _ in STYLES.values()]),
        legend=charts.legend(3, "circle"),
    )
    order = frame["step"].tolist()
    y = alt.Y("step:N", sort=order, title=None, axis=alt.Axis(labelLimit=180, grid=False, labelOverlap=False))
    x = alt.X("before:Q", title="replicas in rotation", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(zero=True))
    tips = [alt.Tooltip("step:N"), alt.Tooltip("label:N", title="replicas"), alt.Tooltip("why:N")]
    base = alt.Chart().encode(y=y, tooltip=tips)
    moves = base.transform_filter("isValid(datum.sign)").transform_calculate(series="datum.sign")
    here = base.transform_filter("isValid(datum.after)")
    layers = [
        moves.mark_bar(height=alt.RelativeBandSize(0.6), opacity=0.8).encode(x, alt.X2("after:Q"), colour),
        here.mark_tick(thickness=3, height=20, color=GREY).encode(alt.X("after:Q")),
        charts.named(ASKED)
        .transform_filter("isValid(datum.asks)")
        .mark_point(filled=True, size=70, opacity=1)
        .encode(alt.X("asks:Q"), y, colour, tooltip=tips),
        base.mark_text(align="left", dx=9, fontWeight="bold", color="currentColor").encode(
            alt.X("at:Q"), alt.Text("label:N")
        ),
    ]
    return charts.finished(frame, layers, height=90 + 26 * len(frame))
