"""The Service page's plain lines: what each panel shows, in which unit, and what its title says of now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd

from app.console import format, frames


@dataclass(frozen=True, slots=True)
class Level:
    """A panel: column → label, its axis' unit and format, how a value is said and what is said after them all, and the
    name of its download.
    """

    title: str
    signals: Mapping[str, str]
    unit: str
    axis_format: str
    say: Callable[[float], str]
    key: str
    after: str = ""


whole = partial(format.number, digits=0)

TRAFFIC = Level(
    "Requests", {"arrivals_per_s": "arriving"}, "requests per s", ",~r", format.number, "traffic", " a second"
)
TOKENS = Level(
    "Tokens",
    {"input_tokens_per_s": "prompt", "output_tokens_per_s": "answer"},
    "tokens per s",
    "~s",
    whole,
    "tokens",
    " a second",
)
QUEUE = Level("Requests in engines", {"running": "running", "waiting": "waiting"}, "requests", "~s", whole, "queue")
KV = Level("KV cache", {"kv_usage_ratio": "in use"}, "share", ".0%", partial(format.percent, digits=0), "kv")

SIGNALS = tuple(column for level in (TRAFFIC, TOKENS, QUEUE, KV) for column in level.signals)


def newest(level: Level, frame: pd.DataFrame) -> str:
    """``428 running, 1 waiting``: the newest value of each line that is known; empty where none is."""
    values = {label: frames.last_known(frame, column) for column, label in level.signals.items()}
    known = [f"{level.say(value)} {label}" for label, value in values.items() if value is not None]
    return ", ".join(known) + level.after if known else ""
