"""What one replica carries and how long one takes to get, in words and tables for the service page. Pure."""

from __future__ import annotations

import pandas as pd

from app.api.schemas.capacity import CapacityView, LearnedView
from app.console import format

LIMITS = {"tpot": "TPOT", "kv": "KV memory", "seqs": "sequences", "ttft": "TTFT", "stability": "stability"}
TERMS = {
    "a": ("a_ms", "a: every step, ms"),
    "b": ("b_ms_per_seq", "b: a decoding sequence, ms"),
    "k": ("k_ms_per_1k_kv_tokens", "k: 1,000 KV tokens read, ms"),
    "p": ("p_ms_per_1k_prefill_tokens", "p: 1,000 prompt tokens, ms"),
}
NOTABLE = 0.05
"""A difference from the configured figures below this is none."""


def finding(view: CapacityView) -> str:
    """What one replica carries, which limit says so, and how far that is from its entry."""
    if view.rho_max is None:
        return "not known before the first decision"
    limit = LIMITS.get(view.binding or "", view.binding or "")
    carries = f"one replica carries {format.number(view.rho_max, 2)} erlangs ({limit} binds)"
    if not view.rho_max_configured or abs(view.rho_max / view.rho_max_configured - 1) < NOTABLE:
        return f"{carries}, as its pool's entry says"
    off = view.rho_max / view.rho_max_configured - 1
    return f"{carries}, {format.percent(abs(off), 0)} {'less' if off < 0 else 'more'} than its pool's entry says"


def taught(learned: LearnedView | None) -> str:
    """What the corrections rest on, and why replicas were not learned from at the last look."""
    if learned is None:
        return "Nothing was learned yet: the configured figures hold."
    refused = ", ".join(f"{count} refused ({reason})" for reason, count in learned.refused.items())
    last = f"{learned.taken} taught at the last look" + (f", {refused}" if refused else "")
    bound = f" Held at its bound: {', '.join(learned.at_bound)}." if learned.at_bound else ""
    return f"Learned from {format.number(learned.replica_s / 3600)} replica-hours; {last}.{bound}"


def law_table(view: CapacityView) -> pd.DataFrame:
    """One line per term of the step-time law: as configured, and as learned where anything was."""
    learned = view.learned.law if view.learned else None
    return pd.DataFrame(
        [
            {
                "term": text,
                "configured": getattr(view.law, name),
                "learned": getattr(learned, name) if learned else None,
                "factor": view.learned.factors[term] if view.learned else None,
            }
            for term, (name, text) in TERMS.items()
        ]
    )


def lead_time_table(view: CapacityView) -> pd.DataFrame:
    """One line per tier: the lead times that decisions use, those configured, and how many were measured."""
    columns = ["tier", "transition", "p50_s", "p90_s", "configured_p50_s", "configured_p90_s", "measured"]
    return pd.DataFrame([row.model_dump() for row in view.lead_times], columns=columns)
