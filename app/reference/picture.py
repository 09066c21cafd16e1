"""The one picture: capacity that is ready within a time, above the demand that may come within that time.

Pure: the same drawing at every call. It is kept as ``docs/images/lead-time.svg``, so that it is seen without a build,
and a test holds the file to this code. It has a background and colours of its own for light and for dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 800, 430
LEFT, RIGHT, TOP, BOTTOM = 64, 776, 40, 352
FIRST_S, LAST_S, BEYOND_S = 0.5, 1200.0, 3600.0
MOST_ERLANGS = 7.6
POINTS = 120

STYLE = """
:root { --paper: #ffffff; --ink: #1f2933; --dim: #5f6b7a; --line: #c9d1da; --demand: #b3261e; --text: #1f2933;
  --t0: #1b5e9e; --t1: #4d8fcc; --t2: #8fbbe3; --t3: #c6dcf0; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161b22; --ink: #e6edf3; --dim: #9aa7b4; --line: #3a444f; --demand: #ff8a80;
    --t0: #2a72b0; --t1: #2a659a; --t2: #254f76; --t3: #213b55; } }
text { font: 14px system-ui, sans-serif; fill: var(--ink); }
.dim { fill: var(--dim); } .small { font-size: 12.5px; } .demand { fill: var(--demand); font-weight: 600; }
.curve { fill: none; stroke: var(--demand); stroke-width: 2.5; stroke-dasharray: 7 4; }
.dot { fill: var(--demand); stroke: var(--paper); stroke-width: 2; }
.axis { fill: none; stroke: var(--line); stroke-width: 1; } .edge { fill: none; stroke: var(--ink); stroke-width: 2.5; }
.on { fill: #ffffff; font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A tier: from ``ready_s`` on its replicas serve; ``shade`` is its colour, ``dark`` whether its name is white."""

    name: str
    ready_s: float
    shade: str
    dark: bool = False


TIERS = (
    Step("active", FIRST_S, "t0", True),
    Step("+ standby, asleep", 3.0, "t1", True),
    Step("+ warm node", 45.0, "t2"),
    Step("+ cold", 300.0, "t3"),
)

TICKS = ((1.0, "1 s"), (3.0, "3 s"), (10.0, "10 s"), (45.0, "45 s"), (300.0, "5 min"), (900.0, "15 min"))


def demand(within_s: float) -> float:
    """A quantile of the greatest load within a time, erlangs: the longer, the more may come."""
    return 1.5 + 0.62 * math.log1p(within_s / 1.6)


def at_x(seconds: float) -> float:
    """Where a time lies on the logarithmic axis, pixels."""
    share = math.log(seconds / FIRST_S) / math.log(LAST_S / FIRST_S)
    return LEFT + share * (RIGHT - LEFT)


def at_y(erlangs: float) -> float:
    """Where a load lies, pixels."""
    return BOTTOM - erlangs / MOST_ERLANGS * (BOTTOM - TOP)


def steps() -> list[tuple[Step, float, float]]:
    """Each tier with the time until the next is ready, and the capacity that has to be there until then."""
    ends = [*(after.ready_s for _, after in pairwise(TIERS)), BEYOND_S]
    return [(tier, end, demand(end)) for tier, end in zip(TIERS, ends, strict=True)]


def svg() -> str:
    """The whole drawing."""
    title = "Capacity ready within a time is at least the demand that may come before the next tier is ready."
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" style="fill:var(--paper)"/>'
    parts = [head, f"<title>{title}</title>", f"<style>{STYLE}</style>", paper]
    return "\n".join([*parts, *areas(), *axes(), *stairs(), *curve(), "</svg>", ""])


def areas() -> Iterator[str]:
    """What each tier adds, from when it is ready until the right edge."""
    below = 0.0
    for tier, _, height in steps():
        x, top, bottom = at_x(tier.ready_s), at_y(height), at_y(below)
        size = f'width="{RIGHT - x:.1f}" height="{bottom - top:.1f}"'
        yield f'<rect x="{x:.1f}" y="{top:.1f}" {size} style="fill:var(--{tier.shade})"/>'
        shade = ' class="on"' if tier.dark else ""
        # Where the curve is not: at the right below it, at the left in the last tier.
        place = f'x="{x + 12:.1f}"' if tier is TIERS[-1] else f'x="{RIGHT - 12}" text-anchor="end"'
        yield f'<text {place} y="{top + 22:.1f}"{shade}>{tier.name}</text>'
        below = height


def axes() -> Iterator[str]:
    """Time below, load at the left."""
    yield f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
    for seconds, text in TICKS:
        x = at_x(seconds)
        yield f'<path class="axis" d="M{x:.1f} {BOTTOM}v6"/>'
        yield f'<text class="dim small" x="{x:.1f}" y="{BOTTOM + 22}" text-anchor="middle">{text}</text>'
    yield f'<text class="dim small" x="{LEFT}" y="{BOTTOM + 22}" text-anchor="middle">now</text>'
    middle = (LEFT + RIGHT) / 2
    yield f'<text class="dim" x="{middle:.0f}" y="{BOTTOM + 50}" text-anchor="middle">time from now, logarithmic</text>'
    turned = f'transform="translate(22 {(TOP + BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle"'
    yield f'<text class="dim" {turned}>offered load, capacity</text>'


def stairs() -> Iterator[str]:
    """The edge of the capacity that is ready."""
    path = "".join(f"H{at_x(tier.ready_s):.1f}V{at_y(height):.1f}" for tier, _, height in steps()[1:])
    yield f'<path class="edge" d="M{LEFT} {at_y(steps()[0][2]):.1f}{path}H{RIGHT}"/>'
    yield f'<text x="{LEFT + 12}" y="{TOP + 8}">capacity that is ready by then: solid</text>'


def curve() -> Iterator[str]:
    """The demand that may come, and where each step of the stairs has to reach it."""
    ratio = LAST_S / FIRST_S
    times = [FIRST_S * ratio ** (i / POINTS) for i in range(POINTS + 1)]
    points = " ".join(f"{at_x(t):.1f},{at_y(demand(t)):.1f}" for t in times)
    yield f'<polyline class="curve" points="{points}"/>'
    for _, end, height in steps()[:-1]:
        yield f'<circle class="dot" cx="{at_x(end):.1f}" cy="{at_y(height):.1f}" r="5.5"/>'
    told = "demand that may come by then (a quantile): dashed"
    yield f'<text class="demand" x="{LEFT + 12}" y="{TOP + 30}">{told}</text>'
    told = "dots: each step reaches the demand that may come before the next tier can help"
    yield f'<text class="dim small" x="{LEFT + 12}" y="{TOP + 52}">{told}</text>'
