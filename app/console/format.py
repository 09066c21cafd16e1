"""Numbers as an operator reads them: a value, its unit, and a dash where nothing is known.

Pure functions from a number to text. ``None`` is never shown as zero.
"""

from __future__ import annotations

from datetime import UTC, datetime

DASH = "–"
"""Stands for a value that is not known."""

MODE_ICONS = {
    "off": ":material/power_settings_new:",
    "shadow": ":material/visibility:",
    "auto": ":material/autorenew:",
    "paused": ":material/pause_circle:",
}
"""Material icon of each policy mode; the word always stands beside it."""


def moment(at_s: float) -> datetime:
    """UTC datetime of epoch seconds."""
    return datetime.fromtimestamp(at_s, tz=UTC)


def clock(at_s: float) -> str:
    """``Sat 21 Nov 2026 14:03:20 UTC``."""
    return f"{moment(at_s):%a %d %b %Y %H:%M:%S} UTC"


def time_of_day(at_s: float) -> str:
    """``14:03:20``, UTC."""
    return f"{moment(at_s):%H:%M:%S}"


def stamp(at_s: float) -> str:
    """``2026-11-21 14:03:20``, UTC."""
    return f"{moment(at_s):%Y-%m-%d %H:%M:%S}"


def speed(factor: float) -> str:
    """``real time`` or ``60× real time``."""
    return "real time" if factor == 1 else f"{factor:g}× real time"


def number(value: float | None, digits: int = 1) -> str:
    """A number with at most ``digits`` decimals and separated thousands."""
    if value is None:
        return DASH
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 as per cent; what is not quite all never reads as 100 %."""
    if value is None:
        return DASH
    shown = round(100 * value, digits)
    if shown == 100 and value < 1:
        return f">{100 - 10**-digits:g} %"
    return f"{shown:g} %"


def usd(value: float | None) -> str:
    """Dollars: cents below a thousand, whole dollars above."""
    if value is None:
        return DASH
    return f"${value:,.0f}" if value >= 1000 else f"${value:,.2f}"


def latency(seconds: float | None) -> str:
    """``38 ms`` below a second, ``1.25 s`` above."""
    if seconds is None:
        return DASH
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{number(seconds, 2)} s"


def duration(seconds: float | None) -> str:
    """The two largest units: ``42 s``, ``3 m 40 s``, ``2 h 5 m``, ``3 d 4 h``."""
    if seconds is None:
        return DASH
    whole = max(0, round(seconds))
    for size, name, below, below_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name} {rest} {below_name}" if rest else f"{whole // size} {name}"
    return f"{whole} s"


def freshness(age_s: float | None, stale: bool) -> str:
    """What the freshness badge says."""
    if age_s is None:
        return "No data yet"
    return f"Stale: {duration(age_s)} old" if stale else f"Fresh: {duration(age_s)} old"


def mode(name: str) -> str:
    """A mode with its icon."""
    return f"{MODE_ICONS.get(name, ':material/help:')} {name}"


def modes(names: list[str]) -> str:
    """All services' modes in a few words: ``auto`` or ``2 auto, 1 shadow``."""
    counts = {name: names.count(name) for name in sorted(set(names))}
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "no services"


def escape(text: str) -> str:
    """Text as Markdown shows it literally (``$`` would start a formula, ``|`` a table cell, ``:`` a directive)."""
    for mark in "\\$|*_[]`<>:#~":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")
