"""Which metrics and labels a PromQL expression names. Pure.

It tokenizes, and tells names apart by what stands around them; it does not parse, so it finds no syntax errors
(promtool does that) and no types. Variables of Grafana (``$service``, ``$__rate_interval``) are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<variable>\$\{?\w+\}?)
    | (?P<number>\d+(?:\.\d+)?(?:ms|[smhdwy])?(?:\d+[smhdwy])*)
    | (?P<name>[A-Za-z_][A-Za-z0-9_:]*)
    | (?P<operator>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],:@])""",
    re.VERBOSE,
)
GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
WORDS = GROUPING | {"and", "or", "unless", "bool", "offset"}


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric and its matchers as (label, operator, value without quotes)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Used:
    """``grouped`` are the labels after ``by``, ``on`` and the like."""

    selectors: tuple[Selector, ...]
    grouped: frozenset[str]


def tokens(expression: str) -> tuple[tuple[str, str], ...]:
    """(kind, text) of every token; raises ValueError at what is none."""
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"no PromQL token at {expression[at : at + 20]!r} of {expression!r}")
        if match.lastgroup not in (None, "space"):
            found.append((str(match.lastgroup), match.group()))
        at = match.end()
    return tuple(found)


def used(expression: str) -> Used:
    """What the expression names."""
    words = tokens(expression)
    groups = tuple(_groups(words))
    inside = {at for begin, end in groups for at in range(begin, end)}
    grouped = {words[at][1] for at in inside if words[at][0] == "name"}
    selectors = tuple(_selectors(words, inside))
    return Used(selectors, frozenset(grouped))


def _groups(words: tuple[tuple[str, str], ...]) -> Iterator[tuple[int, int]]:
    """Where lists of labels in parentheses begin and end."""
    for at, (kind, text) in enumerate(words):
        if kind == "name" and text in GROUPING and _text(words, at + 1) == "(":
            yield at + 1, words.index(("operator", ")"), at) + 1


def _selectors(words: tuple[tuple[str, str], ...], skipped: set[int]) -> Iterator[Selector]:
    braces = 0
    for at, (kind, text) in enumerate(words):
        braces += (text == "{") - (text == "}") if kind == "operator" else 0
        if kind != "name" or braces or at in skipped or text in WORDS or _text(words, at + 1) == "(":
            continue
        if _function(words, at):
            continue
        yield Selector(text, tuple(_matchers(words, at + 1)))


def _function(words: tuple[tuple[str, str], ...], at: int) -> bool:
    """Whether it is an aggregation whose labels stand before its parentheses."""
    return _text(words, at + 1) in ("by", "without")


def _matchers(words: tuple[tuple[str, str], ...], at: int) -> Iterator[tuple[str, str, str]]:
    if _text(words, at) != "{":
        return
    at += 1
    while _text(words, at) != "}":
        (_, label), (_, operator), (_, value) = words[at : at + 3]
        yield label, operator, value[1:-1]
        at += 4 if _text(words, at + 3) == "," else 3


def _text(words: tuple[tuple[str, str], ...], at: int) -> str:
    return words[at][1] if at < len(words) else ""
