"""What the API says of what one replica carries, as configured and as learned."""

from __future__ import annotations

from app.api.schemas.schema import Schema


class StepLaw(Schema):
    """The step-time law: an iteration of N sequences that read K thousand KV and P thousand prompt tokens takes
    ``a + b·N + k·K + p·P`` ms.
    """

    a_ms: float
    b_ms_per_seq: float
    k_ms_per_1k_kv_tokens: float
    p_ms_per_1k_prefill_tokens: float


class LearnedView(Schema):
    """What replicas showed of the law: factors on the configured terms, and what the last look gave.

    ``replica_s`` seconds of replicas went into it, less what is forgotten; ``refused`` are replicas by reason.
    """

    law: StepLaw
    factors: dict[str, float]
    at_bound: list[str]
    replica_s: float
    last_taken_s: float | None
    taken: int
    refused: dict[str, int]


class LeadTimeView(Schema):
    """Time from one tier to serving, seconds, as decisions use it, beside what is configured.

    ``measured`` is how many transitions of the fleet's own it rests on.
    """

    tier: str
    transition: str
    p50_s: float
    p90_s: float
    configured_p50_s: float
    configured_p90_s: float
    measured: int


class CapacityView(Schema):
    """What one replica carries, in erlangs of the configured law, and how long one takes to get.

    ``binding`` is the limit that says so; ``rho_max_configured`` is by the configured figures alone. ``rho_max`` is
    null before the first decision, ``learned`` before the first look.
    """

    service: str
    pool: str
    rho_max: float | None
    rho_max_configured: float | None
    binding: str | None
    law: StepLaw
    learned: LearnedView | None
    lead_times: list[LeadTimeView]
