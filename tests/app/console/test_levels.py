"""Titles of plain lines say what is known of now, and nothing of what is not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.console import levels
from app.console.levels import KV, QUEUE, TRAFFIC
from app.daemon.signals import SIGNALS


def frame(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_a_title_says_the_newest_values_with_their_units() -> None:
    queue = frame(running=[400.0, 1428.0], waiting=[0.0, 1.0])
    assert levels.newest(QUEUE, queue) == "1,428 running, 1 waiting"
    assert levels.newest(KV, frame(kv_usage_ratio=[0.137])) == "14 % in use"
    assert levels.newest(TRAFFIC, frame(arrivals_per_s=[30.73])) == "30.7 arriving a second"


def test_a_gap_at_the_end_leaves_the_last_known_value_and_nothing_known_says_nothing() -> None:
    assert levels.newest(QUEUE, frame(running=[400.0, np.nan], waiting=[np.nan, np.nan])) == "400 running"
    assert levels.newest(KV, frame(kv_usage_ratio=[np.nan])) == ""


def test_every_line_is_a_signal_of_the_history() -> None:
    assert set(levels.SIGNALS) <= set(SIGNALS)
