"""What differs from one installation to the next: the promise, where the console is, where the runbook is."""

from __future__ import annotations

from dataclasses import dataclass

FAST_BURN = 14.4
"""Times the error budget: 2 % of a month's budget in an hour (Google, The Site Reliability Workbook, chapter 5)."""

SLOW_BURN = 6.0
"""Times the error budget: 5 % of a month's budget in six hours (same source)."""

LEAST_OBJECTIVE = 0.94
"""Below it a fast burn is a share of misses above 90 %, which hardly any outage reaches."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``objective`` is the share of requests in time that services promise (policy ``slo.attainment``).

    Raises ValueError for an objective that burn rates cannot be computed for.
    """

    objective: float = 0.99
    console_url: str = "http://127.0.0.1:8501"
    runbook_url: str = "docs/dashboards.md"

    def __post_init__(self) -> None:
        if not LEAST_OBJECTIVE <= self.objective < 1:
            raise ValueError(f"objective is {self.objective:g}; it must be from {LEAST_OBJECTIVE} to below 1")

    @property
    def fast_ratio(self) -> float:
        """Share of misses that is a fast burn."""
        return round(FAST_BURN * (1 - self.objective), 6)

    @property
    def slow_ratio(self) -> float:
        """Share of misses that is a slow burn."""
        return round(SLOW_BURN * (1 - self.objective), 6)
