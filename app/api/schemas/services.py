"""What the API says of a service as it runs now: its line of the fleet table, its replicas, its signals."""

from __future__ import annotations

from pydantic import Field

from app.api.schemas.schema import Schema


class ReplicaCounts(Schema):
    """Replicas of one service by state."""

    active: int = 0
    standby: int = 0
    asleep: int = 0
    warm_node: int = 0
    launching: int = 0
    waking: int = 0
    draining: int = 0
    failed: int = 0
    desired_active: int | None = None
    desired_standby: int | None = None
    desired_asleep: int | None = None


class ServiceRow(Schema):
    """One line of the fleet table."""

    service: str
    mode: str
    replicas: ReplicaCounts
    min_replicas: int
    max_replicas: int
    attainment: float | None
    usd_per_million_tokens: float | None
    usd_per_hour: float
    offered_erlangs: float | None
    capacity_erlangs: float | None
    kv_usage_ratio: float | None
    waiting: float | None
    ttft_p90_s: float | None
    tpot_p90_s: float | None
    ttft_target_s: float
    tpot_target_s: float
    risk_of_shortfall: float | None
    data_age_s: float | None
    stale: bool
    last_sentence: str | None
    demand_sparkline: list[float | None] = Field(default_factory=list)


class ReplicaView(Schema):
    """One replica."""

    name: str
    service: str
    pool: str
    tier: str
    transition: str | None
    since_s: float
    node: str
    gpus: list[str]
    running: float | None = None
    waiting: float | None = None
    kv_usage_ratio: float | None = None


class Series(Schema):
    """Points of named signals: ``signals[name]`` lists [time, value or null]; spikes survive downsampling."""

    service: str
    start_s: float
    end_s: float
    step_s: float
    signals: dict[str, list[tuple[float, float | None]]]


class Called(Schema):
    """Whether the loop was called to decide at once."""

    called: bool
