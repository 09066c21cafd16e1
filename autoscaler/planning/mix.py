"""Reserved, on demand, spot: how many of each, by the newsvendor on the load-duration curve.

Replicas are levels: the j-th is used while at least j are needed. Reserved, it costs ``r`` all the time; else it costs
the on-demand price ``d`` while it must be *firm* and the spot price ``s`` in the rest of its use. So reserve level j
exactly if

    r  <  d·P(firm ≥ j) + s·P(firm < j ≤ needed)

which falls with j: the lowest levels are reserved, and what stands here is exact. Without spot it is the familiar rule
to reserve what is used more than ``r/d`` of the time.

*Firm* are as many replicas as keep the queues stable if every spot replica is taken at once: spot stands only above
them, so its loss costs latency until it is replaced, but no queue grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoscaler.planning.prices import Offer

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mix:
    """What to hold: replicas reserved, on average on demand and on spot, and what each costs, USD per hour.

    ``reserved_used`` is the share of the reserved replicas' time in which they are needed, None without any.
    ``break_even`` is the share of use above which a reserved replica pays, None without such a price.
    """

    reserved: int
    on_demand_mean: float
    spot_mean: float
    spot_peak: int
    reserved_usd: float
    on_demand_usd: float
    spot_usd: float
    all_on_demand_usd: float
    reserved_used: float | None
    break_even: float | None

    @property
    def usd_per_hour(self) -> float:
        """All of it."""
        return self.reserved_usd + self.on_demand_usd + self.spot_usd

    @property
    def saving(self) -> float:
        """Share saved against everything on demand."""
        return 1 - self.usd_per_hour / self.all_on_demand_usd if self.all_on_demand_usd > 0 else 0.0


def mix(needed: Counts, firm: Counts, share: Array, gpus: int, offer: Offer, reserved: int | None = None) -> Mix:
    """The cheapest way to pay for ``needed`` replicas (k,) of ``gpus`` GPUs, in shares (k,) of the time.

    ``firm`` (k,) of them must not be spot. ``reserved`` fixes how many are reserved, for the months of a commitment.
    """
    on_demand = offer.on_demand_usd * gpus
    spot = on_demand if offer.spot_usd is None else offer.spot_usd * gpus
    if spot >= on_demand:
        firm = needed
    used, must = _levels(needed, share), _levels(np.minimum(firm, needed), share)
    must = np.pad(must, (0, len(used) - len(must)))
    price = None if offer.reserved_usd is None else offer.reserved_usd * gpus
    if reserved is None:
        reserved = 0 if price is None else int(np.sum(on_demand * must + spot * (used - must) > price))
    above_firm = np.maximum(needed - np.maximum(firm, reserved), 0)
    return Mix(
        reserved=reserved,
        on_demand_mean=float(must[reserved:].sum()),
        spot_mean=float((used - must)[reserved:].sum()),
        spot_peak=int(above_firm.max(initial=0)),
        reserved_usd=reserved * (price or 0.0),
        on_demand_usd=on_demand * float(must[reserved:].sum()),
        spot_usd=spot * float((used - must)[reserved:].sum()),
        all_on_demand_usd=on_demand * float(used.sum()),
        reserved_used=float(used[:reserved].sum()) / reserved if reserved else None,
        break_even=None if price is None else price / on_demand,
    )


def _levels(counts: Counts, share: Array) -> Array:
    """(max,) share of the time in which at least 1, 2, … are counted."""
    ends = np.bincount(counts, share, int(counts.max(initial=0)) + 1)
    return np.asarray(ends[::-1].cumsum()[::-1][1:])
