"""A plan as one page: the tables of the command line in HTML that needs nothing else, no script, font or network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from app.cli.plan_tables import Section, heading, name, refused, sections

if TYPE_CHECKING:
    from autoscaler.planning.confirm import Confirmed
    from autoscaler.planning.plan import Plan


def page(made: Plan, top: int, played: Mapping[str, Confirmed]) -> str:
    """The whole page."""
    style = (files("autoscaler.backtest") / "page.css").read_text(encoding="utf-8")
    body = "".join(section(one) for one in sections(made, top, played))
    title = f"Capacity plan of {escape(made.model)}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>"
        f"<header><p class=eyebrow>{title}</p><h1>{escape(headline(made))}</h1>{_paragraphs([*heading(made)])}</header>"
        f"{body}<section><h2>What cannot be</h2>{_paragraphs([*refused(made.refused)])}</section>"
        "</main></body></html>\n"
    )


def headline(made: Plan) -> str:
    """What it comes to."""
    if made.best is None:
        return "No pool keeps this promise"
    best = made.best
    return (
        f"{name(best)}, {best.mean_replicas:.1f} replicas on average and {best.peak_replicas} at the peak: "
        f"{best.usd_per_million:.3f} USD per million tokens"
    )


def section(one: Section) -> str:
    """A table with its notes."""
    head = "".join(f"<th>{escape(column)}</th>" for column in one.columns)
    rows = "".join(_row(row) for row in one.rows)
    return (
        f"<section><h2>{escape(one.title)}</h2><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{_paragraphs(one.notes)}</section>"
    )


def _row(cells: Sequence[str]) -> str:
    return f"<tr><th scope=row>{escape(cells[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells[1:])}</tr>"


def _paragraphs(lines: Sequence[str]) -> str:
    return "".join(f"<p class=note>{escape(line)}</p>" for line in lines)
