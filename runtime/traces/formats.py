"""The formats a trace may have: which columns say when a request came and how long it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """Column names of one format; ``unit_s`` is the seconds in one unit of time, None where times are dates."""

    name: str
    time: str
    input: str
    output: str
    unit_s: float | None = 1.0

    @property
    def columns(self) -> tuple[str, str, str]:
        """The columns that are read: time, input, output. Others may be there and are ignored."""
        return self.time, self.input, self.output

    @property
    def dates(self) -> tuple[str, ...]:
        """Columns that hold dates as text."""
        return (self.time,) if self.unit_s is None else ()


FORMATS = (
    Format("Leadtime", "arrival_s", "input_tokens", "output_tokens"),
    Format("Azure", "TIMESTAMP", "ContextTokens", "GeneratedTokens", unit_s=None),
    Format("BurstGPT", "Timestamp", "Request tokens", "Response tokens"),
    Format("Mooncake", "timestamp", "input_length", "output_length", unit_s=0.001),
)


def recognise(columns: Sequence[str]) -> Format | None:
    """The format whose columns are all there; None if there is none."""
    return next((f for f in FORMATS if set(f.columns) <= set(columns)), None)


def accepted() -> str:
    """The column sets that would be right, for error messages."""
    return " | ".join(f"{', '.join(f.columns)} ({f.name})" for f in FORMATS)
