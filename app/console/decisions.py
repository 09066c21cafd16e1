"""Decisions as an operator reads them: a headline, the sentence, and every number that took part.

A controller decides every few seconds and mostly decides the same, so equal decisions in a row are one spell. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from app.api.schemas.decisions import ConstraintView, DecisionRow
from app.console import format


@dataclass(frozen=True, slots=True)
class Spell:
    """Consecutive decisions that ask for the same: the newest, since when, and how many."""

    newest: DecisionRow
    since_s: float
    count: int


def spells(rows: Sequence[DecisionRow]) -> list[Spell]:
    """Decisions, newest first, with equal neighbours joined."""
    groups = (list(group) for _, group in groupby(rows, key=asked_for))
    return [Spell(group[0], group[-1].at_s, len(group)) for group in groups]


def asked_for(row: DecisionRow) -> tuple[object, ...]:
    """What makes two decisions the same to a reader."""
    targets = (row.desired_active, row.desired_standby, row.desired_asleep)
    return (*targets, row.binding, row.mode, row.applied, row.policy_version)


def headline(spell: Spell) -> str:
    """``14:03:20 · 4 → 6 active · offered load …``; how often where it was more than once."""
    row = spell.newest
    times = f" · {spell.count} times since {format.time_of_day(spell.since_s)}" if spell.count > 1 else ""
    move = f"**{row.current_active} → {row.desired_active}** active"
    return f"{format.time_of_day(row.at_s)} · {move}{times} · {format.escape(row.sentence)}"


def icon(spell: Spell) -> str:
    """Which way it goes; a decision that was not applied looks like one."""
    row = spell.newest
    if not row.applied:
        return ":material/visibility:"
    if row.desired_active > row.current_active:
        return ":material/trending_up:"
    return ":material/trending_down:" if row.desired_active < row.current_active else ":material/trending_flat:"


def explanation(row: DecisionRow) -> str:
    """Markdown: what was wanted, whether it was done, and the constraints with the one that bound."""
    done = "applied" if row.applied else f"not applied (mode {row.mode})"
    wanted = f"{row.desired_active} active, {row.desired_standby} standby, {row.desired_asleep} asleep"
    lines = [
        f"Wanted **{wanted}** · {done} · policy version {row.policy_version} · `{row.id}`",
        "",
        *otherwise(row),
        "| Constraint | Replicas | | Detail |",
        "| --- | ---: | --- | --- |",
        *(constraint_line(constraint) for constraint in row.constraints),
    ]
    return "\n".join(lines)


def otherwise(row: DecisionRow) -> list[str]:
    """What it costs, where tuned knobs are not the policy's, and what would have changed it."""
    texts = [f"tuned: {knob.name} {knob.now:g}, where the policy says {knob.own:g}" for knob in row.tuned]
    texts += [alternative.text for alternative in row.alternatives]
    texts = [*money(row), *texts]
    return [*(f"- {format.escape(text)}" for text in texts), ""] if texts else []


def money(row: DecisionRow) -> list[str]:
    """What is held costs, and what it will cost, in a line; none where it is not known."""
    if row.usd_per_hour_now is None or row.usd_per_hour_then is None:
        return []
    now, then = format.usd(row.usd_per_hour_now), format.usd(row.usd_per_hour_then)
    return [f"{now} an hour now, {then} once that is carried out"]


def constraint_line(constraint: ConstraintView) -> str:
    """One row of the table; the binding one is bold and says so."""
    name, detail = format.escape(constraint.name), format.escape(constraint.detail)
    if constraint.binds:
        return f"| **{name}** | **{constraint.replicas}** | :material/lock: **binds** | {detail} |"
    return f"| {name} | {constraint.replicas} | | {detail} |"
