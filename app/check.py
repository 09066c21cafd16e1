"""One thing that was looked at, and how it is: what ``leadtime doctor`` is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """``status`` is ok, warn or fail; ``detail`` says what was seen and, where it is not ok, what to do."""

    name: str
    status: str
    detail: str
