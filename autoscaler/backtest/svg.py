"""The little SVG that the page needs: scales, ticks, step lines, markers and labels that keep clear of each other.

Pure functions from numbers to markup. Colours are classes of the page's style sheet, so that light and dark are its
business; coordinates are pixels of the picture's own box, y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_POINTS = 1500
"""A line has no more points than this: more than any screen tells apart."""

LETTER_PX = 8.3
LINE_PX = 15.0
"""Room that a letter and a line of a label take at 13 px, generously."""

SHAPES = {
    "circle": "M-5,0A5,5 0 1 1 5,0A5,5 0 1 1 -5,0Z",
    "square": "M-4.5,-4.5H4.5V4.5H-4.5Z",
    "triangle": "M0,-6L5.6,4.2H-5.6Z",
    "diamond": "M0,-6.2L5.2,0L0,6.2L-5.2,0Z",
    "down": "M0,6L5.6,-4.2H-5.6Z",
    "plus": "M-1.8,-5.5H1.8V-1.8H5.5V1.8H1.8V5.5H-1.8V1.8H-5.5V-1.8H-1.8Z",
    "hexagon": "M-5.6,0L-2.8,-4.9H2.8L5.6,0L2.8,4.9H-2.8Z",
    "bar": "M-2.2,-6H2.2V6H-2.2Z",
    "hourglass": "M-5,-5.5H5L-5,5.5H5Z",
    "star": "M0,-7L1.7,-2.2H6.7L2.7,0.9L4.1,5.7L0,2.8L-4.1,5.7L-2.7,0.9L-6.7,-2.2H-1.7Z",
}
"""Markers by name, around the origin: each can be told from the others without its colour."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Straight line from values (``low`` to ``high``) to pixels (``start`` to ``end``)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Pixels of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Area that both cover, square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) from ``low`` to ``high``, about so many."""
    rough = max(high - low, 1e-12) / max(1, about)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def thin(at: Floats, values: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """A step series of shape (n,) in at most ``most`` points: changes only, and of many the extremes of equal parts."""
    changes = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    kept = np.union1d(changes, [0, len(values) - 1])
    if len(kept) > most:
        parts = np.array_split(kept, (most - 2) // 2)
        extremes = [part[pick(values[part])] for part in parts for pick in (np.argmin, np.argmax)]
        kept = np.union1d(extremes, [0, len(values) - 1])
    return at[kept], values[kept]


def steps(at: Floats, values: Floats, x: Scale, y: Scale) -> str:
    """Path data of a step line: each value holds until the next."""
    first, *rest = zip(at.tolist(), values.tolist(), strict=True)
    moves = [f"H{px(x(t))}V{px(y(v))}" for t, v in rest]
    return f"M{px(x(first[0]))},{px(y(first[1]))}{''.join(moves)}"


def px(value: float) -> str:
    """A coordinate to a tenth of a pixel, without needless zeros."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """A line of text on its baseline."""
    return f'<text x="{px(x)}" y="{px(y)}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line x1="{px(x1)}" y1="{px(y1)}" x2="{px(x2)}" y2="{px(y2)}" class="{css}"/>'


def path(data: str, css: str) -> str:
    """A path."""
    return f'<path d="{data}" class="{css}"/>'


def marker(shape: str, x: float, y: float, css: str) -> str:
    """A marker of ``SHAPES`` at a point."""
    return f'<path d="{SHAPES[shape]}" transform="translate({px(x)},{px(y)})" class="{css}"/>'


def picture(width: float, height: float, says: str, parts: Iterable[str], css: str = "") -> str:
    """An SVG of that box, with what it shows for those who cannot see it."""
    return (
        f'<svg class="{css}" viewBox="0 0 {px(width)} {px(height)}" role="img" aria-label="{escape(says)}">'
        f"{''.join(parts)}</svg>"
    )


def place(points: Sequence[tuple[float, float]], labels: Sequence[str], within: Box) -> list[tuple[float, float]]:
    """Left ends of the labels' baselines, beside their points and clear of the points and labels before them.

    Greedy: each label takes the place, of several around its point, that covers least.
    """
    taken = [Box(x - 8, y - 8, x + 8, y + 8) for x, y in points]
    placed = []
    for (x, y), label in zip(points, labels, strict=True):
        best = min(_around(x, y, LETTER_PX * len(label)), key=lambda box: _cost(box, taken, within))
        taken.append(best)
        placed.append((best.left, best.bottom - 4))
    return placed


def _around(x: float, y: float, width: float) -> list[Box]:
    """Places for a label at a point: right, left, above, below, and further up and down; the best first."""
    lefts = [(x + 10, 0.0), (x - 10 - width, 0.0), (x - width / 2, -17.0), (x - width / 2, 17.0)]
    lefts += [(left, down) for down in (-16.0, 16.0, -32.0, 32.0, -48.0, 48.0) for left in (x + 10, x - 10 - width)]
    return [Box(left, y + down - LINE_PX / 2, left + width, y + down + LINE_PX / 2) for left, down in lefts]


def _cost(box: Box, taken: Sequence[Box], within: Box) -> float:
    area = (box.right - box.left) * (box.bottom - box.top)
    outside = area - box.overlap(within)
    return sum(box.overlap(other) for other in taken) + 3 * outside
