"""A decision and what it was made from: plain values that go to the ledger and can be decided again.

``decide(observation, forecast, state, policy, now)`` is a pure function of these (DESIGN 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from autoscaler.learning.law import Learned
from autoscaler.policy import Mode
from autoscaler.safety.health import Health
from autoscaler.safety.oscillation import Restlessness
from autoscaler.safety.overrides import Override
from autoscaler.safety.shortage import Ask
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier


@dataclass(frozen=True, slots=True)
class TierCounts:
    """Replicas of one pool now. A replica on its way is counted once, under its transition.

    ``launching`` and ``waking`` are on their way to ``active``; ``preparing`` to standby or asleep. ``sick`` are those
    with a sick GPU, wherever they are; no capacity is counted on them.
    """

    active: int = 0
    standby: int = 0
    asleep: int = 0
    warm_node: int = 0
    launching: int = 0
    waking: int = 0
    preparing: int = 0
    draining: int = 0
    failed: int = 0
    sick: int = 0


@dataclass(frozen=True, slots=True)
class Branch:
    """Another pool of a service, beside its first; ``ask`` as in the control state, for this pool alone.

    ``worth`` is how many replicas of the first pool one of this pool stands in for, at the present mix of requests;
    ``learned`` is what its replicas showed of its step-time law.
    """

    pool: Pool
    counts: TierCounts = field(default_factory=TierCounts)
    lead_times: Mapping[Tier, LeadTime] = field(default_factory=dict)
    worth: float = 1.0
    ask: Ask | None = None
    learned: Learned | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a service may have while it shares with others something that is short.

    ``most[pool]`` caps replicas in all tiers, of the pools that are short; ``replicas`` what all pools together may
    come to, in replicas of the first, None where the service gets all it asks for. ``detail`` says why.
    """

    most: Mapping[str, int]
    replicas: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Turned:
    """A knob that tuning turned: its dotted name, the policy version's ``own`` value, and what decides ``now``."""

    name: str
    own: float
    now: float


@dataclass(frozen=True, slots=True)
class ControlState:
    """What the controller remembers of one service from tick to tick, and what it knows of its pool.

    ``needs`` are (at_s, active replicas needed) of recent ticks, the scale-in window. ``work_ms_per_request``
    and the two lengths are smoothed means. ``desired`` is the last target that was set for the fleet to
    follow; None before the first and while the mode does not act. ``learned`` is what replicas showed of the
    pool's step-time law, and ``work_correction`` the smoothed mean work by it over that by the configured law.
    """

    service: str
    pool: Pool
    counts: TierCounts
    started_at_s: float
    lead_times: Mapping[Tier, LeadTime] = field(default_factory=dict)
    desired: PoolTarget | None = None
    last_scale_out_s: float | None = None
    last_scale_in_s: float | None = None
    needs: tuple[tuple[float, int], ...] = ()
    work_ms_per_request: float | None = None
    mean_input_tokens: float | None = None
    mean_output_tokens: float | None = None
    learned: Learned | None = None
    work_correction: float | None = None
    idle_since_s: float | None = None
    """When the service was first seen without any request; None while it has some, or may have."""
    rolled_back_at_s: float | None = None
    """When a policy was rolled back by itself last; nothing scales in for a settle window after it."""
    overrides: tuple[Override, ...] = ()
    """What operators decided by hand, of this service and of the fleet."""
    health: Health = field(default_factory=Health)
    ask: Ask | None = None
    """What was asked for and has not come."""
    restlessness: Restlessness = field(default_factory=Restlessness)
    replacing: int = 0
    """How many of ``desired`` are there only because as many sick replicas still count as active."""
    more: tuple[Branch, ...] = ()
    """The other pools. ``pool``, ``counts`` and ``learned`` are the first one's, ``desired`` and ``needs`` count in its
    replicas."""
    first_ask: Ask | None = None
    """With other pools: what was asked of the first one and has not come."""
    targets: tuple[PoolTarget, ...] = ()
    """With other pools: the targets in force, of each pool."""
    grant: Grant | None = None
    tuned: tuple[Turned, ...] = ()
    """Where the policy that decides is not the operator's version: what tuning turned."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """What was taken from the forecast: the ``tau`` quantile of the greatest load within ``horizon_s``; ``erlangs`` is
    what it asks for, the policy's headroom included.
    """

    horizon_s: float
    tau: float
    erlangs: float


@dataclass(frozen=True, slots=True)
class Constraint:
    """One number that took part: ``replicas`` is what it asks for or allows; ``binds`` marks the one that
    decided. ``quantiles`` are those of the forecast it rests on, nearest first; only the forecast's own has any.
    """

    name: str
    replicas: int
    binds: bool
    detail: str
    quantiles: tuple[Quantile, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """What would have made it so many active ``replicas``: ``text`` says it, ``name`` is the voice or bound behind it.

    ``erlangs`` is the load at which it turns, None where no load turns it; ``after_s`` what has to pass besides.
    """

    replicas: int
    name: str
    erlangs: float | None
    after_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the runtime should do: targets per pool, the first pool's first."""

    targets: tuple[PoolTarget, ...]

    @property
    def total(self) -> PoolTarget:
        """All pools together, whatever they are, under the first one's name."""
        first, rest = self.targets[0], self.targets[1:]
        return replace(
            first,
            active=first.active + sum(target.active for target in rest),
            standby=first.standby + sum(target.standby for target in rest),
            asleep=first.asleep + sum(target.asleep for target in rest),
            warm_node=first.warm_node + sum(target.warm_node for target in rest),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision for one service.

    ``act`` is False in off, shadow and paused mode: the plan is then what would have been done.
    ``next_state`` is the memory for the next tick. ``risk_of_shortfall`` is the forecast probability that the
    offered load exceeds the capacity that can be ready within the launch lead time, None without a forecast.
    ``rho_max_configured`` is what ``rho_max`` would be by the pool's configured figures, None where nothing else
    was learned; all loads and capacities are erlangs of the configured law. ``usd_per_hour_now`` is what is held costs,
    ``usd_per_hour_then`` what it costs once the plan is carried out.
    """

    id: str
    service: str
    at_s: float
    mode: Mode
    act: bool
    plan: Plan
    constraints: tuple[Constraint, ...]
    binding: str
    sentence: str
    offered_erlangs: float | None
    rho_max: float
    rho_binding: str
    capacity_erlangs: float
    risk_of_shortfall: float | None
    next_state: ControlState
    rho_max_configured: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    usd_per_hour_now: float | None = None
    usd_per_hour_then: float | None = None
