"""The fleet that a candidate would have: virtual replicas that follow its targets with the pool's lead times. Pure.

The real fleet follows the live policy, so a candidate that asked for other replicas must not be shown the real ones.
The model is kept simple, and alike for every candidate:

- a start takes the mean of the pool's lead time (cold, or a warm node where the pool knows nothing colder), a wake that
  of the spare tier; as measured, without scatter, and nothing fails;
- more replicas are taken from the spares first; what is held is billed from the moment it is asked for;
- a scale-in gives up starts first, youngest first; the rest leaves at once, to the spares where it is wanted there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from autoscaler.decision import TierCounts
from autoscaler.lateness import launch_mean_s, mean_s
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier

Coming = tuple[tuple[float, int], ...]
"""Replicas on their way: (ready at, UTC seconds; how many), the youngest last."""


@dataclass(frozen=True, slots=True)
class VirtualFleet:
    """Replicas of one pool. ``spare`` wait in ``spare_tier``; the others are on their way to active or to spare."""

    active: int = 0
    spare: int = 0
    spare_tier: Tier = Tier.STANDBY
    warm_node: int = 0
    launching: Coming = ()
    waking: Coming = ()
    preparing: Coming = ()

    @property
    def wanted(self) -> int:
        """In rotation or on their way to it."""
        return self.active + _sum(self.launching) + _sum(self.waking)

    def counts(self) -> TierCounts:
        """As a decision sees them."""
        asleep = self.spare_tier is Tier.ASLEEP
        return TierCounts(
            active=self.active,
            standby=0 if asleep else self.spare,
            asleep=self.spare if asleep else 0,
            warm_node=self.warm_node,
            launching=_sum(self.launching),
            waking=_sum(self.waking),
            preparing=_sum(self.preparing),
        )


def beginning(counts: TierCounts, pool: Pool, at_s: float) -> VirtualFleet:
    """The real fleet as the candidate takes it over; what is on its way is taken as just begun."""
    launch_s = at_s + launch_mean_s(pool)
    return VirtualFleet(
        active=counts.active,
        spare=counts.standby + counts.asleep,
        spare_tier=Tier.ASLEEP if counts.asleep > counts.standby else Tier.STANDBY,
        warm_node=counts.warm_node,
        launching=_some(launch_s, counts.launching),
        waking=_some(launch_s, counts.waking),
        preparing=_some(launch_s, counts.preparing),
    )


def arrived(fleet: VirtualFleet, at_s: float) -> VirtualFleet:
    """The fleet at a later moment, when everything due by then is there."""
    ready = _due(fleet.launching, at_s) + _due(fleet.waking, at_s)
    return replace(
        fleet,
        active=fleet.active + ready,
        spare=fleet.spare + _due(fleet.preparing, at_s),
        launching=_later(fleet.launching, at_s),
        waking=_later(fleet.waking, at_s),
        preparing=_later(fleet.preparing, at_s),
    )


def follow(fleet: VirtualFleet, target: PoolTarget, pool: Pool, at_s: float) -> VirtualFleet:
    """Begin to move towards a target, as of ``at_s``."""
    spare = target.standby + target.asleep
    tier = Tier.ASLEEP if target.asleep else Tier.STANDBY
    fleet = replace(fleet, warm_node=target.warm_node, spare_tier=tier if spare else fleet.spare_tier)
    moved = _out(fleet, target.active, pool, at_s) if target.active > fleet.wanted else _in(fleet, target.active)
    return _spares(moved, spare, pool, at_s)


def _out(fleet: VirtualFleet, active: int, pool: Pool, at_s: float) -> VirtualFleet:
    missing = active - fleet.wanted
    woken = min(missing, fleet.spare)
    wake_s = at_s + mean_s(pool.lead_times.get(fleet.spare_tier) or LeadTime(0.0, 0.0))
    return replace(
        fleet,
        spare=fleet.spare - woken,
        waking=fleet.waking + _some(wake_s, woken),
        launching=fleet.launching + _some(at_s + launch_mean_s(pool), missing - woken),
    )


def _in(fleet: VirtualFleet, active: int) -> VirtualFleet:
    launching, surplus = _given_up(fleet.launching, fleet.wanted - active)
    waking, leaving = _given_up(fleet.waking, surplus)
    # Who was waking or in rotation has its engine loaded: it goes to the spares, which keep as many as are wanted.
    return replace(
        fleet,
        active=fleet.active - leaving,
        spare=fleet.spare + surplus,
        launching=launching,
        waking=waking,
    )


def _spares(fleet: VirtualFleet, spare: int, pool: Pool, at_s: float) -> VirtualFleet:
    held = fleet.spare + _sum(fleet.preparing)
    if held <= spare:
        return replace(fleet, preparing=fleet.preparing + _some(at_s + launch_mean_s(pool), spare - held))
    preparing, surplus = _given_up(fleet.preparing, held - spare)
    return replace(fleet, spare=fleet.spare - surplus, preparing=preparing)


def with_lead_times(pool: Pool, lead_times: Mapping[Tier, LeadTime]) -> Pool:
    """The pool with its lead times as measured."""
    return replace(pool, lead_times={**pool.lead_times, **lead_times})


def _some(at_s: float, count: int) -> Coming:
    return ((at_s, count),) if count > 0 else ()


def _sum(coming: Coming) -> int:
    return sum(count for _, count in coming)


def _due(coming: Coming, at_s: float) -> int:
    return sum(count for ready_s, count in coming if ready_s <= at_s)


def _later(coming: Coming, at_s: float) -> Coming:
    return tuple((ready_s, count) for ready_s, count in coming if ready_s > at_s)


def _given_up(coming: Coming, surplus: int) -> tuple[Coming, int]:
    """What still comes once the youngest are given up, and what of the surplus is left."""
    kept = list(coming)
    while kept and surplus > 0:
        ready_s, count = kept.pop()
        given = min(count, surplus)
        surplus -= given
        if count > given:
            kept.append((ready_s, count - given))
    return tuple(kept), surplus
