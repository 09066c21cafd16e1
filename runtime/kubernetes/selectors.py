"""Label selectors as text, the form in which a scale tells which pods are its own. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Generic, TypeVar

Labels = Mapping[str, str]
Selector = Callable[[Labels], bool]
Owner = TypeVar("Owner")

_BETWEEN = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"^(?P<key>\S+)\s+(?P<verb>in|notin)\s+\((?P<values>[^)]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s=!]+)\s*(?P<verb>!=|==|=)\s*(?P<value>[^\s=!]*)$")
_EXISTS = re.compile(r"^(?P<no>!?)\s*(?P<key>[^\s=!(),]+)$")


@lru_cache(maxsize=4096)
def parse(text: str) -> Selector:
    """The test that labels must pass. An empty selector selects nothing here: nobody's pods are ours by accident.

    Raises ValueError for what is no selector.
    """
    terms = [_term(part.strip()) for part in re.split(_BETWEEN, text) if part.strip()]
    return lambda labels: bool(terms) and all(term(labels) for term in terms)


class Claims(Generic[Owner]):
    """Whose labels are: of several selectors the first that fits. One that asks for the value of a label, as nearly all
    do, is found by the rarest such value, so that a pod is not held against every workload of a namespace.
    """

    def __init__(self, selectors: Iterable[tuple[str, Owner]]) -> None:
        said = [(_pairs(text), parse(text), owner) for text, owner in selectors]
        shared = Counter(pair for pairs, _, _ in said for pair in pairs)
        self._by_pair: dict[tuple[str, str] | None, list[tuple[int, Selector, Owner]]] = {}
        for place, (pairs, fits, owner) in enumerate(said):
            rarest = min(pairs, key=shared.__getitem__, default=None)
            self._by_pair.setdefault(rarest, []).append((place, fits, owner))

    def owner(self, labels: Labels) -> Owner | None:
        """None where no selector fits."""
        candidates = [self._by_pair.get(pair, ()) for pair in (*labels.items(), None)]
        fitting = [one for some in candidates for one in some if one[1](labels)]
        return min(fitting, key=lambda one: one[0])[2] if fitting else None


@lru_cache(maxsize=4096)
def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Labels and the values that the selector asks of them."""
    found = (_EQUAL.match(part.strip()) for part in re.split(_BETWEEN, text))
    return tuple((one["key"], one["value"]) for one in found if one and one["verb"] != "!=")


def of_object(selector: Mapping[str, object]) -> str:
    """A ``LabelSelector`` object as text. Raises ValueError for an operator that does not exist."""
    labels = selector.get("matchLabels") or {}
    assert isinstance(labels, Mapping)
    parts = [f"{key}={value}" for key, value in labels.items()]
    expressions = selector.get("matchExpressions") or []
    assert isinstance(expressions, list)
    for one in expressions:
        key, values = one["key"], ",".join(one.get("values") or ())
        forms = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        if one["operator"] not in forms:
            raise ValueError(f"selector operator {one['operator']!r}: give one of {', '.join(forms)}")
        parts.append(forms[one["operator"]])
    return ",".join(parts)


def _term(text: str) -> Selector:
    if found := _SET.match(text):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        wanted = found["verb"] == "in"
        return lambda labels: (
            (key in labels) is True and (labels[key] in values) if wanted else labels.get(key) not in values
        )
    if found := _EQUAL.match(text):
        key, value, equal = found["key"], found["value"], found["verb"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if found := _EXISTS.match(text):
        key, there = found["key"], not found["no"]
        return lambda labels: (key in labels) is there
    raise ValueError(f"label selector {text!r}: give key=value, key!=value, key in (a,b), key notin (a,b), key or !key")
