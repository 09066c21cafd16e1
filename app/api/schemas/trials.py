"""What the API says of candidates in shadow and policies on watch; times are UTC seconds, shares lie from 0 to 1.

A number is null where it is not known, never zero.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from app.api.schemas.schema import Author, Reason, Schema


class Signed(Schema):
    """Who asks for it, and why."""

    author: Author
    reason: Reason


class ShadowStart(Signed):
    """A candidate, to decide beside the live policy without being applied."""

    policy: dict[str, Any]


class ShadowPromotion(Signed):
    """Make the candidate the next version; 409 where ``base_version`` is no longer the newest."""

    base_version: int
    watch_s: float = Field(1800.0, ge=0, le=21600, allow_inf_nan=False)


class PolicyFigures(Schema):
    """One policy over the time both ran. The estimate follows the same rule for both; only what is live is measured."""

    gpu_hours: float
    cost_usd: float
    attainment_estimate: float | None
    attainment_measured: float | None


class DifferenceView(Schema):
    """A stretch of disagreement by its widest moment: replicas each wanted in rotation, and why."""

    at_s: float
    live_active: int
    candidate_active: int
    live_sentence: str
    candidate_sentence: str


class ShadowView(Schema):
    """A candidate and its disagreement with the live policy.

    It ran beside the live policy for ``both_s``; of that they disagreed for ``disagreed_s``, the candidate wanting more
    (``more_s``) or fewer (``fewer_s``) replicas, and for ``unknown_s`` the load was not known. ``missed_s`` is time in
    which nobody decided. ``ended_at_s`` is null while it runs; ``differences`` are the largest, largest first.
    """

    service: str
    number: int
    author: str
    reason: str
    started_at_s: float
    ended_at_s: float | None
    outcome: str
    live_version: int
    policy: dict[str, Any]
    sentence: str
    both_s: float
    disagreed_s: float
    more_s: float
    fewer_s: float
    unknown_s: float
    missed_s: float
    live: PolicyFigures
    candidate: PolicyFigures
    wants_active: int | None
    differences: list[DifferenceView]


class BurnView(Schema):
    """One alert of a watch: the budget burns ``long`` and ``short`` times as fast as it may, beyond what burnt before.

    It fires where both are at ``limit`` or above. ``short`` is null where nothing was measured in its window.
    """

    limit: float
    long_s: float
    short_s: float
    long: float
    short: float | None


class WatchView(Schema):
    """A version of a policy on watch; ``said`` is what came of it.

    It lasts for ``watch_s`` of measured time, of which ``left_s`` is left, and is ``missing_s`` longer for want of
    measurements. ``late_before`` and ``late_after`` are shares of late requests.
    """

    service: str
    version: int
    base_version: int
    started_at_s: float
    ended_at_s: float | None
    outcome: Literal["watching", "passed", "failed", "rolled_back", "ended"]
    said: str
    watch_s: float
    left_s: float
    missing_s: float
    late_before: float | None
    late_after: float | None
    requests: float
    burns: list[BurnView]
