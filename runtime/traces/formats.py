"""The formats a trace may have: which columns say when a request came, how long it was, and with whom it belongs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

_OPTIONAL = ("client", "session", "prefix", "shared", "blocks")


@dataclass(frozen=True, slots=True)
class Format:
    """Column names of one format; ``unit_s`` is the seconds in one unit of time, None where times are dates.

    The columns from ``client`` on need not be there, and are None where they are not: keys of the client, the session
    and the prefix; ``shared``, how many tokens of its prefix a request has; ``blocks``, a list of block ids each of
    which stands for the prompt up to there.
    """

    name: str
    time: str
    input: str
    output: str
    unit_s: float | None = 1.0
    client: str | None = None
    session: str | None = None
    prefix: str | None = None
    shared: str | None = None
    blocks: str | None = None

    @property
    def required(self) -> tuple[str, str, str]:
        """The columns that make the format: time, input, output."""
        return self.time, self.input, self.output

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read. Others may be there and are ignored."""
        return (*self.required, *(name for role in _OPTIONAL if (name := getattr(self, role)) is not None))

    @property
    def dates(self) -> tuple[str, ...]:
        """Columns that hold dates as text."""
        return (self.time,) if self.unit_s is None else ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that hold keys: whole numbers or text."""
        return tuple(name for name in (self.client, self.session, self.prefix) if name is not None)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns that hold numbers."""
        others = (*self.dates, *self.keys, self.blocks)
        return tuple(name for name in self.columns if name not in others)

    def within(self, columns: Collection[str]) -> Format:
        """The format without the optional columns that a table does not have."""
        absent: dict[str, Any] = {role: None for role in _OPTIONAL if getattr(self, role) not in columns}
        return replace(self, **absent)


FORMATS = (
    Format(
        "Leadtime",
        "arrival_s",
        "input_tokens",
        "output_tokens",
        client="client",
        session="session",
        prefix="prefix_id",
        shared="prefix_tokens",
    ),
    Format("Azure", "TIMESTAMP", "ContextTokens", "GeneratedTokens", unit_s=None),
    Format("BurstGPT", "Timestamp", "Request tokens", "Response tokens", session="Session ID"),
    Format(
        "Mooncake", "timestamp", "input_length", "output_length", unit_s=0.001, session="session_id", blocks="hash_ids"
    ),
)


def recognise(columns: Sequence[str]) -> Format | None:
    """The format whose required columns are all there; None if there is none."""
    return next((f for f in FORMATS if set(f.required) <= set(columns)), None)


def accepted() -> str:
    """The column sets that would be right, for error messages."""
    return " | ".join(f"{', '.join(f.required)} ({f.name})" for f in FORMATS)
