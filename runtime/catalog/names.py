"""The words after an unknown name: which ones come near it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str], most: int = 5) -> str:
    """The nearest of the known names, as the end of a sentence."""
    known = list(known)
    folded = {k.lower(): k for k in known}
    parts = [part for part in name.lower().split("/") if part]
    within = [k for low, k in folded.items() if parts and all(part in low for part in parts)]
    close = within or [folded[low] for low in get_close_matches(name.lower(), folded, most, 0.3)] or sorted(known)
    return "near names: " + ", ".join(close[:most])
