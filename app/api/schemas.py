"""What the API says, as types: the contract between daemon, console, CLI and anyone's scripts.

All times are UTC seconds since the epoch; ``None`` means not known, never zero.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from autoscaler.actor import signature

Author = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(signature)]
"""Who signs a change: whoever was let in, whatever the request claims; the claim where nobody is asked."""

Reason = Annotated[str, Field(min_length=3, max_length=2000, pattern=r"^[^\x00]*$")]
"""Why a change is made."""


class Schema(BaseModel):
    """Base of all payloads: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class ClockInfo(Schema):
    """The daemon's time; ``speed`` is above 1 where it is virtual."""

    now_s: float
    speed: float


class Called(Schema):
    """Whether the loop was called to decide at once."""

    called: bool


class GpuCounts(Schema):
    """GPUs by use; idle_held are occupied by a replica that does nothing."""

    busy: int
    idle_held: int
    idle: int
    faulty: int = 0


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


class AttentionItem(Schema):
    """Something an operator should look at, worst first."""

    severity: Literal["critical", "warning", "info"]
    service: str
    text: str


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


class FleetView(Schema):
    """The five-second screen."""

    clock: ClockInfo
    attainment: float | None
    usd_per_million_tokens: float | None
    usd_per_hour: float
    gpus: GpuCounts
    replicas_active: int
    replicas_desired: int | None
    standby_ready: int
    asleep: int
    risk_of_shortfall: float | None
    data_age_s: float | None
    stale: bool
    services: list[ServiceRow]
    attention: list[AttentionItem]
    sparklines: dict[str, list[float | None]] = Field(default_factory=dict)


class RackRow(Schema):
    """GPUs that several services share: what the fleet says of them, and what was decided last, in GPUs.

    ``lent`` are held and nobody is awake on them; ``idle_usd_per_hour`` is what they still cost. The services together
    may need ``needed_together`` with probability ``tau`` before more could be there; each insured for itself,
    ``needed_apart``. ``acts`` is False while one of the services is not in auto mode. Null before the first look.
    """

    rack: str
    services: list[str]
    gpu: str
    max_gpus: int
    lead_time_p90_s: float
    held: int | None
    used: int | None
    lent: int | None
    ordered: int | None
    idle_usd_per_hour: float | None
    wanted: int | None
    needed_together: int | None
    needed_apart: int | None
    tau: float | None
    at_s: float | None
    acts: bool | None
    binding: str | None
    sentence: str | None


class Series(Schema):
    """Points of named signals: ``signals[name]`` lists [time, value or null]; spikes survive downsampling."""

    service: str
    start_s: float
    end_s: float
    step_s: float
    signals: dict[str, list[tuple[float, float | None]]]


class ForecastView(Schema):
    """The latest forecast of a service, and the state of the model behind it.

    ``weights`` are the experts and their shares of what was told. ``fitted_at_s`` is when experts learned last, null
    where none has yet; ``trouble`` says what went wrong at the last attempt.
    """

    service: str
    made_at_s: float
    model: str
    horizons_s: list[float]
    taus: list[float]
    erlangs: list[list[float]]
    weights: dict[str, float]
    history_s: float
    fitted_at_s: float | None
    trouble: str | None


class DaysAhead(Schema):
    """Days ahead: ``erlangs[i]`` are quantiles of the greatest load within the i-th hour from ``start_s``."""

    service: str
    start_s: float
    step_s: float
    taus: list[float]
    erlangs: list[list[float]]


class ForecastOutcome(Schema):
    """One past forecast: the quantiles told, erlangs, and the greatest load that came until ``until_s``.

    ``truth`` is null where the window is not over (``ahead``) or a gap hides it (``gap``); ``weights`` are in the
    order of the answer's ``experts``.
    """

    made_at_s: float
    until_s: float
    told: list[float]
    truth: float | None
    state: Literal["known", "gap", "ahead"]
    weights: list[float]


class QuantileScore(Schema):
    """How one quantile kept its promise: ``coverage`` is the share of ``windows`` whose truth lay at or under it.

    ``expected`` is the range in which that share lies nine times in ten for an honest forecast with so many windows.
    ``loss_vs_last_value`` is mean pinball loss over that of last value with the empirical error band of the very same
    windows; below 1 is better.
    """

    tau: float
    windows: int
    missed: int
    coverage: float | None
    expected: tuple[float, float] | None
    loss_vs_last_value: float | None


class ForecastAccuracy(Schema):
    """How a service's past forecasts fared at one horizon; ``lead_s`` is the launch lead time now.

    ``outcomes`` are a sample of those made between ``start_s`` and ``end_s``, oldest first, quantiles in the order of
    ``taus``. A number is null where there is too little to tell.
    """

    service: str
    start_s: float
    end_s: float
    lead_s: float
    horizon_s: float
    taus: list[float]
    experts: list[str]
    scores: list[QuantileScore]
    loss_vs_last_value: float | None
    outcomes: list[ForecastOutcome]


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


class QuantileView(Schema):
    """A quantile that a decision took from its forecast: of the greatest load within ``horizon_s``; ``erlangs`` is
    with the policy's headroom."""

    horizon_s: float
    tau: float
    erlangs: float


class ConstraintView(Schema):
    """One number that took part in a decision; ``binds`` marks the one that decided.

    ``quantiles`` are those of the forecast that it rests on; only the forecast's own constraint has any.
    """

    name: str
    replicas: int
    binds: bool
    detail: str
    quantiles: list[QuantileView] = Field(default_factory=list)


class AlternativeView(Schema):
    """What would have made it another number: ``text`` says it; ``erlangs`` is the load at which it turns, if any."""

    replicas: int
    name: str
    erlangs: float | None
    after_s: float
    text: str


class TurnedView(Schema):
    """A knob that tuning turned: what the policy version says (``own``), and what was decided by (``now``)."""

    name: str
    own: float
    now: float


class DecisionRow(Schema):
    """One decision, without its inputs.

    ``alternatives`` say what would have changed it; ``usd_per_hour_now`` is what is held costs, ``usd_per_hour_then``
    what it costs once the plan is carried out. ``tuned`` is where the policy that decided is not ``policy_version``'s.
    """

    id: str
    service: str
    at_s: float
    mode: str
    current_active: int
    desired_active: int
    desired_standby: int
    desired_asleep: int
    binding: str
    sentence: str
    applied: bool
    constraints: list[ConstraintView]
    policy_version: int
    alternatives: list[AlternativeView] = Field(default_factory=list)
    usd_per_hour_now: float | None = None
    usd_per_hour_then: float | None = None
    tuned: list[TurnedView] = Field(default_factory=list)


class DecisionDetail(DecisionRow):
    """One decision with everything it was made from."""

    inputs: dict[str, Any]


class ReplayResult(Schema):
    """Whether deciding again on the stored inputs gives the same decision, bit for bit."""

    id: str
    identical: bool


class PolicyVersion(Schema):
    """One version of a service's policy."""

    service: str
    version: int
    at_s: float
    author: str
    reason: str
    policy: dict[str, Any]


class PolicyWrite(Schema):
    """A change: refused with 409 where ``base_version`` is no longer the newest.

    A policy in mode auto is then on watch for ``watch_s`` seconds of measured time, and is taken back by itself where
    the error budget burns faster than before; 0 is no watch.
    """

    policy: dict[str, Any]
    base_version: int
    author: Author
    reason: Reason
    watch_s: float = Field(1800.0, ge=0, le=21600, allow_inf_nan=False)


class PolicyRollback(Schema):
    """Go back to ``to_version`` by a new version with its content."""

    to_version: int
    base_version: int
    author: Author
    reason: Reason


class FieldChange(Schema):
    """One field that differs."""

    field: str
    old: Any
    new: Any


class PolicyDiff(Schema):
    """Two policies against each other, by field and as unified YAML."""

    changes: list[FieldChange]
    yaml_diff: str


class PolicyCheck(Schema):
    """A validated draft: errors (``field: what is wrong``) and, where there are none, the diff.

    ``warnings`` do not stop it: it works, but not for the load that is there now. Where policies are committed and not
    edited here, ``commit`` is the YAML of the resource that says it. ``second_person`` are the changed fields that
    somebody else has to approve: such a draft is proposed and not applied.
    """

    valid: bool
    errors: list[str]
    diff: PolicyDiff | None = None
    warnings: list[str] = Field(default_factory=list)
    commit: str | None = None
    second_person: list[str] = Field(default_factory=list)


OverrideKind = Literal["freeze", "pin", "at_least"]


class FreezeWrite(Schema):
    """A freeze of the whole fleet for ``for_s`` seconds from now."""

    for_s: float = Field(gt=0, le=31 * 86400.0)
    author: Author
    reason: Reason


class OverrideWrite(FreezeWrite):
    """Something to hold by hand for ``for_s`` seconds from now: a freeze, or so many replicas."""

    kind: OverrideKind
    replicas: int | None = Field(None, ge=0, le=10_000)


class OverrideLift(Schema):
    """Who ends an override early."""

    author: Author


class OverrideView(Schema):
    """An override; ``service`` is null where it is the fleet's. ``lifted_by`` where somebody ended it early."""

    id: str
    service: str | None
    kind: OverrideKind
    replicas: int | None
    starts_at_s: float
    until_s: float
    author: str
    reason: str
    in_force: bool
    lifted_at_s: float | None = None
    lifted_by: str | None = None


class Summary(Schema):
    """What a run came to: printed at the end of a replay."""

    service: str
    requests: int
    rejected: int
    attainment: float | None
    gpu_hours: float
    cost_usd: float
    usd_per_million_tokens: float | None
    mean_replicas: float
    decisions: int
    scale_ups: int
    scale_downs: int
