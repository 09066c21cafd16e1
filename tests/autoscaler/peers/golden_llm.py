"""How a golden case of an LLM peer is read and compared; the layout is told in each file's ``schema``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]
Replay = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@cache
def cases(peer: str) -> tuple[Case, ...]:
    """All cases of one peer, in file order."""
    text = (Path(__file__).parent / "golden" / f"{peer}.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["cases"])


def params(peer: str, cannot_pass: Mapping[str, str]) -> list[Any]:
    """One pytest parameter per case; those named in ``cannot_pass`` are strict xfails with their reason."""
    return [
        pytest.param(
            case,
            id=case["name"],
            marks=[pytest.mark.xfail(reason=cannot_pass[case["name"]], strict=True)]
            if case["name"] in cannot_pass
            else [],
        )
        for case in cases(peer)
    ]


def check(case: Case, replays: Mapping[str, Replay], derived_tolerance: float = 1e-9) -> None:
    """Replay the case and compare everything that upstream asserts, then the values derived from its bounds."""
    got = replays[case["rule"]](case["input"])
    for key, want in case["expected"].items():
        compare(got, key, want, case.get("tolerance", 1e-9))
    for key, want in case.get("derived", {}).items():
        compare(got, key, want, derived_tolerance)


def compare(got: Mapping[str, Any], key: str, want: Any, tolerance: float) -> None:
    """One expected entry; a key that ends in ``_min`` or ``_max`` is an inclusive bound unless ``got`` has it."""
    if key in got:
        assert near(got[key], want, tolerance), f"{key}: got {got[key]}, want {want}"
    elif key.endswith("_min"):
        assert got[key.removesuffix("_min")] >= want - tolerance * max(1, abs(want))
    elif key.endswith("_max"):
        assert got[key.removesuffix("_max")] <= want + tolerance * max(1, abs(want))
    else:
        raise AssertionError(f"the replay gives no {key}, only {sorted(got)}")


def near(got: Any, want: Any, tolerance: float) -> bool:
    """Equal, numbers within ``tolerance * max(1, |want|)``, element by element in lists and mappings."""
    if isinstance(want, dict):
        return all(name in got and near(got[name], value, tolerance) for name, value in want.items())
    if isinstance(want, list):
        return len(got) == len(want) and all(near(g, w, tolerance) for g, w in zip(got, want, strict=True))
    if isinstance(want, bool) or want is None or isinstance(want, str):
        return bool(got == want)
    return got is not None and math.isclose(got, want, rel_tol=0, abs_tol=tolerance * max(1.0, abs(want)))
