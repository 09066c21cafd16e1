"""The controller of a rack: from what its services just decided to one decision about the GPUs they share.

The daemon does this after the services' decisions of every tick and a backtest in virtual time, so what a backtest of
a portfolio shows is what the daemon would do. A rack is moved only while all of its services are: with one of them in
shadow, paused or off, what is decided is what would have been held, and nothing is asked for. While all of them are
frozen, as by a freeze of the fleet, so is the rack.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoscaler.capacity import rho_max
from autoscaler.controller import Considered
from autoscaler.decision import Plan
from autoscaler.policy import Policy
from autoscaler.safety.overrides import in_force, spoken
from autoscaler.sharing.joint import Claim, Need, comovement, need
from autoscaler.sharing.rack import RackDecision, RackPolicy, RackState, hold, quantile
from forecasting.forecaster import Forecaster
from forecasting.history import Array
from runtime.fleet import RackView
from runtime.rack import Rack

COMPARE_EVERY_S = 3600.0
"""How services move together changes slowly."""


@dataclass(slots=True)
class RackMind:
    """How the services of a rack move together, as last compared: worked out anew after a restart."""

    comove: Array | None = None
    compared_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class Member:
    """One service of a rack: what was just considered, by which policy, and who forecasts it."""

    done: Considered
    policy: Policy
    forecaster: Forecaster


@dataclass(frozen=True, slots=True)
class ConsideredRack:
    """A rack thought through: what its services may need, the memory it was decided from, and what came out.

    It is what the ledger keeps: ``again`` decides on it once more. ``frozen`` says who lets nothing change.
    """

    rack: Rack
    policy: RackPolicy
    found: Need
    state: RackState
    decision: RackDecision
    frozen: str | None = None

    def again(self) -> RackDecision:
        """The same decision, bit for bit."""
        return hold(self.rack, self.found, self.state, self.policy, self.decision.at_s, self.decision.act, self.frozen)


def consider_rack(
    rack: Rack,
    policy: RackPolicy,
    state: RackState,
    mind: RackMind,
    members: Sequence[Member],
    now_s: float,
    review_s: float,
    told: RackView | None = None,
) -> ConsideredRack:
    """One decision about ``rack``; the next one comes ``review_s`` later. The comparison in ``mind`` is kept fresh.

    ``told`` is the rack as the fleet reports it: while nothing is asked for, what is wanted there is not our doing.
    """
    act = all(member.done.decision.act for member in members)
    if not act and told is not None:
        state = replace(state, gpus=told.wanted)
    claims = [_claim(member) for member in members]
    comove = _compared(mind, rack, members, now_s)
    found = need(claims, comove, rack.lead_time.p90_s + review_s, quantile(rack, policy))
    frozen = frozen_by(members, now_s)
    return ConsideredRack(rack, policy, found, state, hold(rack, found, state, policy, now_s, act, frozen), frozen)


def frozen_by(members: Sequence[Member], now_s: float) -> str | None:
    """Who lets nothing change in a rack, in words: all of its services are frozen, and this freeze ends first."""
    states = [member.done.state for member in members]
    freezes = [in_force(state.overrides, state.service, now_s).freeze for state in states]
    known = [freeze for freeze in freezes if freeze is not None]
    if not known or len(known) < len(freezes):
        return None
    return spoken(min(known, key=lambda freeze: freeze.until_s), now_s)


def in_rack(plan: Plan) -> Plan:
    """The plan as a rack can carry it out: whoever is not awake sleeps on all of it, so no replica is put to sleep."""
    return replace(plan, targets=tuple(replace(target, asleep=0, warm_node=0) for target in plan.targets))


def _compared(mind: RackMind, rack: Rack, members: Sequence[Member], now_s: float) -> Array:
    if mind.comove is None or now_s - mind.compared_s >= COMPARE_EVERY_S:
        histories = [member.forecaster.history() for member in members]
        cells = max(1, round(rack.lead_time.p90_s / histories[0].step_s))
        mind.comove, mind.compared_s = comovement(histories, cells), now_s
    return mind.comove


def _claim(member: Member) -> Claim:
    done, state = member.done, member.done.decision.next_state
    lengths = state.mean_input_tokens, state.mean_output_tokens
    rho = rho_max(state.pool, member.policy.slo, *lengths, member.policy.routing)
    target, most, seen = done.decision.plan.targets[0], member.policy.replicas.max, done.observation.valid
    awake, per_replica = target.active + target.standby, state.pool.gpus_per_replica
    return Claim(state.service, done.forecast, rho, per_replica, awake, most, seen)
