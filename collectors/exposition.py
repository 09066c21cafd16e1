"""Reads a Prometheus text page, and of it only the families that were asked for.

An engine prints several hundred series and we want a few; the same lines come back at every scrape with
other values. So a series is parsed once and remembered by the bytes that precede its value: reading a page
again costs one dictionary look-up per line. Promises: nothing is half read. A family that a cut page may
have lost a part of, or that holds a line which cannot be read, is dropped as a whole and named in
``Page.gaps``; a series that is told twice keeps its last value and is named too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.observation import Gap

PARTS = ("_bucket", "_sum", "_count")
"""What a histogram family ``x`` consists of on a page: ``x_bucket``, ``x_sum``, ``x_count``."""

MEMORY_LINES = 50_000
"""Lines remembered per table before all are forgotten; a vLLM page has 1,000, and replicas share them."""

_LINE = re.compile(
    r"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*"
    r"(?:\{((?:[^\"{}]|\"(?:[^\"\\]|\\.)*\")*)\})?"
    r"[ \t]+(\S+)(?:[ \t]+(-?[0-9]+))?[ \t\r]*"
)
_LABEL = re.compile(r"[ \t,]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*\"((?:[^\"\\]|\\.)*)\"[ \t]*")
_NAME = re.compile(r"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series of a page.

    ``name`` is as printed, ``family`` without a histogram's suffix, ``le`` the bound of a bucket and no
    label. ``shard`` holds the labels that split one replica into parts whose values add up
    (``Wanted.over``): series that differ only in other labels tell the same number twice.
    """

    name: str
    family: str
    labels: Mapping[str, str]
    le: float | None
    shard: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What was found: ``samples[name]`` lists the series printed under that name with their values."""

    samples: Mapping[str, Sequence[tuple[Series, float]]]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which families to read: exact scalar names, histogram families, name prefixes; and which labels add
    up.
    """

    scalars: frozenset[str] = frozenset()
    histograms: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    over: frozenset[str] = frozenset()
    _known: dict[bytes, Series | None] = field(default_factory=dict, repr=False, compare=False)
    _series: dict[object, Series] = field(default_factory=dict, repr=False, compare=False)

    def family(self, name: str) -> str | None:
        """The wanted family that the sample name belongs to, if any."""
        for part in PARTS:
            if name.endswith(part) and (base := name.removesuffix(part)) in self.histograms:
                return base
        return name if name in self.scalars or name.startswith(self.prefixes or ("\0",)) else None

    def series(self, name: str, labels: Mapping[str, str]) -> Series | None:
        """The series of that name and labels, always the same object; None if nobody wants it.

        Raises ValueError where a bucket has no readable bound.
        """
        family = self.family(name)
        if family is None:
            return None
        key = (name, tuple(sorted(labels.items())))
        if key not in self._series:
            bucket = family in self.histograms and name.endswith("_bucket")
            rest = {label: value for label, value in labels.items() if not (bucket and label == "le")}
            shard = tuple(sorted((label, value) for label, value in rest.items() if label in self.over))
            le = float(labels.get("le", "none")) if bucket else None
            self._series[key] = Series(name, family, rest, le, shard)
        return self._series[key]

    def recall(self) -> dict[bytes, Series | None]:
        """What is known of lines by the bytes before their value; emptied when it has grown too large."""
        if len(self._known) > MEMORY_LINES or len(self._series) > MEMORY_LINES:
            self._known.clear()
            self._series.clear()
        return self._known


def parse(page: bytes, wanted: Wanted) -> Page:
    """Read the wanted families of a page in the text format (version 0.0.4)."""
    known = wanted.recall()
    lines = page.split(b"\n")
    rest = lines.pop()
    found: dict[Series, float] = {}
    broken: dict[str, str] = {}
    told_twice: dict[str, str] = {}
    for line in lines:
        head, _, value = line.rpartition(b" ")
        try:
            series = known[head]
        except KeyError:
            series, value = _learn(line, head, wanted, broken)
        if series is not None:
            if series in found:
                told_twice[series.family] = "a series is told twice; its last value counts"
            try:
                found[series] = float(value)
            except ValueError:
                broken[series.family] = "holds a value that is no number"
    if rest:
        broken.update(_cut(rest, wanted))
    samples: dict[str, list[tuple[Series, float]]] = {}
    for series, number in found.items():
        if series.family not in broken:
            samples.setdefault(series.name, []).append((series, number))
    return Page(samples, _gaps(broken | {f: r for f, r in told_twice.items() if f not in broken}))


def page_of(samples: Iterable[tuple[str, Mapping[str, str], float]], wanted: Wanted) -> Page:
    """The page that these (name, labels, value) would have made: how a query's result is read like a
    scrape.
    """
    wanted.recall()
    found: dict[str, list[tuple[Series, float]]] = {}
    for name, labels, value in samples:
        series = wanted.series(name, labels)
        if series is not None:
            found.setdefault(name, []).append((series, value))
    return Page(found)


def _gaps(reasons: Mapping[str, str]) -> tuple[Gap, ...]:
    return tuple(Gap(family, reason) for family, reason in reasons.items())


def _learn(line: bytes, head: bytes, wanted: Wanted, broken: dict[str, str]) -> tuple[Series | None, bytes]:
    """The series of a line not seen before, and its value; a wanted line that cannot be read breaks its
    family.
    """
    text = line.decode("utf-8", errors="replace")
    if not text.strip() or text.lstrip().startswith("#"):
        if head:
            wanted.recall()[head] = None
        return None, b""
    match = _LINE.fullmatch(text)
    try:
        series = wanted.series(match[1], dict(_labels(match[2] or ""))) if match else None
    except ValueError:
        match = series = None
    if match is None:
        broken.update(_unreadable(text, wanted))
        return None, b""
    # Remember only lines whose value is all that follows the last space: with a timestamp the value would be
    # part of the key.
    if match[4] is None and head.strip() and match[3].encode() == line[len(head) + 1 :].strip():
        wanted.recall()[head] = series
    return series, match[3].encode()


def _labels(body: str) -> Iterator[tuple[str, str]]:
    """Labels between the braces; ValueError where the text is not a list of them."""
    at = 0
    while at < len(body):
        match = _LABEL.match(body, at)
        if match is None:
            if body[at:].strip(" \t,"):
                raise ValueError(body)
            return
        yield match[1], _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], match[2])
        at = match.end()


def _unreadable(text: str, wanted: Wanted) -> dict[str, str]:
    name = _NAME.match(text)
    family = wanted.family(name[1]) if name else None
    return {} if family is None else {family: "holds a line that cannot be read"}


def _cut(rest: bytes, wanted: Wanted) -> dict[str, str]:
    """Families that a page cut within its last line may have lost a part of; the page itself if it lost
    none.
    """
    text = rest.decode("utf-8", errors="replace")
    name = re.split(r"[{\s]", text, maxsplit=1)[0]
    reason = "the page is cut in the middle of it"
    if name.startswith("#"):
        return {"page": "cut within a comment"}
    if name != text:
        family = wanted.family(name)
        return {family: reason} if family else {"page": f"cut in the middle of {name}"}
    names = wanted.scalars | {base + part for base in wanted.histograms for part in PARTS}
    lost = {wanted.family(candidate) for candidate in names if candidate.startswith(name)} - {None}
    return {str(family): reason for family in lost} or {"page": f"cut in the middle of {name}"}
