"""The choice of settings: least cost on the replayed past, a late request priced so that the promise is just kept.

**The price.** One number, replica-seconds per late request, says how much is spent against lateness. Its base is what
the last allowed miss saves on the replayed past (the slope of the front of cost against misses there), leaning at first
on what the operator's own settings say a miss is worth, and it follows what was measured:

    price = base · exp(added),    added  +=  GAIN · (late − allowed) / (allowed in a day)

So a day that missed a tenth more of its allowance than it may makes every later miss dearer, until what was missed too
much is won back, and a day that missed less makes it cheaper. The sum over all searches is the integral of the error:
the price comes to rest only where the promise is met exactly, whatever the fluid model gets wrong, as long as more
money buys fewer misses. Where it does not (prompts too long for the target on any fleet), no setting gets better by a
higher price, so none is bought: the same price everywhere is what least cost for a given number of misses needs.

**The switch.** The operator's settings are tried at every price of being short, and the cheapest with misses priced in
wins. Other mixtures of knobs, drawn over their whole ranges and near the present ones, win only where they are clearly
cheaper. Whoever wins must beat the present settings by the margin. Pure: the same past and seed choose the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autoscaler.policy import Policy
from autoscaler.tuning.knobs import ODDS, Values, anywhere, at_odds, near, values
from autoscaler.tuning.lateness import learned
from autoscaler.tuning.past import Past
from autoscaler.tuning.screen import Outcome, Screen
from runtime.pool import Pool

GAIN = 1.0
"""A day's allowance missed too much makes a miss 2.7 times as dear. At 4 the price swung within a day, and what was
bought while it was high was dear.
"""

CLEARLY = 0.05
"""So much of the cost another mixture of knobs must save before it is taken for a better price of being short alone:
the best of hundreds by a model that errs is good in part by luck.
"""

OWN_HOURS = 24.0
"""A few quiet hours say little of a day; settings that somebody chose count as a day of evidence."""

LEAST_PRICE = 1e-3
"""Replica-seconds: below this a miss is worth nothing."""

FURTHEST = math.log(10.0)
"""The price stays within this factor of what the past says: what it cannot buy there, it cannot buy."""

BUYABLE = 1.5
"""Where even the dearest settings miss nearly as many as may be, the price is that of this many times the fewest."""

PRICES = 100
"""Prices of being short that are tried, evenly in their logarithm."""

DRAWN_FAR, DRAWN_NEAR = 300, 300


@dataclass(frozen=True, slots=True)
class Price:
    """Replica-seconds per late request: what the past says, and the logarithm of what measured misses added."""

    base_s: float
    added: float = 0.0

    @property
    def now_s(self) -> float:
        """The price."""
        return self.base_s * math.exp(self.added)

    def moved(self, overspent_days: float) -> Price:
        """After so many days' worth of allowed misses were missed too much (negative: too little)."""
        added = self.added + GAIN * overspent_days
        return Price(self.base_s, min(FURTHEST, max(-FURTHEST, added)))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a search came to. ``knobs`` are the best found, the present ones where nothing beat them by the margin.

    Misses priced in, ``gain`` is the share of the present settings' cost that the best would have saved, and ``regret``
    what was really held over the best in hindsight, less one. Where misses were not ``counted`` by a router but
    estimated from histograms, it is advice and acts in no mode.
    """

    knobs: Values
    price: Price
    switched: bool
    gain: float
    regret: float
    sentence: str
    counted: bool = True


def choose(
    past: Past,
    lived: Past,
    own: Policy,
    present: Policy,
    pool: Pool,
    price: Price | None,
    overspent_days: float,
    seed: int,
) -> Choice:
    """The settings to use from now on.

    ``own`` is the operator's policy, ``present`` the one in effect, ``lived`` the part of the past in which replicas
    are known, ``overspent_days`` what was missed too much since the last choice, in days' allowances.
    """
    lateness = learned(past)
    screen = Screen(past, present, pool, lateness)
    plain = _screened(screen, [at_odds(own, pool, float(odds)) for odds in np.geomspace(*ODDS, PRICES)])
    base_s = base([outcome for _, outcome in plain], screen.replayed(own).late, past, lived, present)
    price = Price(base_s, price.added if price else 0.0).moved(overspent_days)
    now = screen.replayed(present)
    best, outcome = _best(plain, _mixed(screen, present, pool, price, seed), price)
    gain = 1 - outcome.priced(price.now_s) / max(now.priced(price.now_s), 1e-9)
    switched = gain > present.tuning.margin and values(best) != values(present)
    regret = _regret(Screen(lived, best, pool, lateness), best, price)
    chosen = best if switched else present
    told = sentence(present, chosen, past, now, outcome, price, overspent_days)
    return Choice(values(chosen), price, switched, gain, regret, told)


def base(outcomes: Sequence[Outcome], own_late: float, past: Past, lived: Past, present: Policy) -> float:
    """The price before anything is added: what the operator's settings say a miss is worth, and what the promise says.

    A geometric mean by hours, in which the operator's word counts as ``OWN_HOURS`` of measured misses.
    """
    allowed = (1 - present.slo.attainment) * float(past.requests.sum())
    fewest = min(outcome.late for outcome in outcomes)
    promised, own = worth(outcomes, max(allowed, BUYABLE * fewest)), worth(outcomes, own_late)
    share = lived.hours / (lived.hours + OWN_HOURS)
    return math.exp(share * math.log(max(promised, LEAST_PRICE)) + (1 - share) * math.log(max(own, LEAST_PRICE)))


def worth(outcomes: Sequence[Outcome], late: float) -> float:
    """Replica-seconds that one miss less costs at ``late`` misses, on the lower convex hull of what was found.

    Where the hull is flat or has no two points, a replica-minute.
    """
    hull: list[Outcome] = []
    for point in sorted(outcomes, key=lambda o: (o.late, o.replica_s)):
        if hull and point.replica_s >= hull[-1].replica_s:
            continue
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], point):
            hull.pop()
        hull.append(point)
    for left, right in pairwise(hull):
        if late <= right.late or right is hull[-1]:
            return _slope(left, right)
    return 60.0


def _slope(left: Outcome, right: Outcome) -> float:
    return (left.replica_s - right.replica_s) / max(right.late - left.late, 1e-9)


Found = tuple[Policy, Outcome]
"""A setting, and what it would have come to."""


def _screened(screen: Screen, policies: Sequence[Policy]) -> list[Found]:
    return [(policy, screen.replayed(policy)) for policy in policies]


def _mixed(screen: Screen, present: Policy, pool: Pool, price: Price, seed: int) -> list[Found]:
    """Mixtures of all knobs: over their whole ranges, near the present ones, and twice near the best so far."""
    rng = np.random.default_rng(seed)
    far = [anywhere(present, pool, rng) for _ in range(DRAWN_FAR)]
    found = _screened(screen, [present, *far, *(near(present, pool, rng) for _ in range(DRAWN_NEAR // 3))])
    rng = np.random.default_rng(seed + 1)
    for _ in range(2):
        best = sorted(found, key=lambda pair: pair[1].priced(price.now_s))[:10]
        found += _screened(screen, [near(best[i % len(best)][0], pool, rng) for i in range(DRAWN_NEAR // 3)])
    return found


def _best(plain: Sequence[Found], mixed: Sequence[Found], price: Price) -> Found:
    """The cheapest with misses priced in; a mixture only where it is clearly so."""

    def priced(found: Found) -> float:
        return found[1].priced(price.now_s)

    best, other = min(plain, key=priced), min(mixed, key=priced)
    return other if priced(other) < (1 - CLEARLY) * priced(best) else best


def _regret(screen: Screen, best: Policy, price: Price) -> float:
    """What was really held against the best, both by the same model."""
    hindsight = screen.replayed(best).priced(price.now_s)
    return screen.lived().priced(price.now_s) / max(hindsight, 1e-9) - 1


def sentence(
    present: Policy, chosen: Policy, past: Past, now: Outcome, then: Outcome, price: Price, overspent_days: float
) -> str:
    """Why, in one sentence."""
    before, after = values(present), values(chosen)
    moved = [f"{name} {before[name]:g} -> {after[name]:g}" for name in after if after[name] != before[name]]
    spent = "more" if overspent_days > 0 else "less"
    priced = (
        f"a late request is priced at {price.now_s:.3g} replica-seconds, and since the last search "
        f"{abs(overspent_days):.1%} of a day's allowed misses were missed {spent} than allowed"
    )
    span = f"on the last {past.hours:.0f} h"
    if not moved:
        return f"Settings stay: nothing {span} beats them by {present.tuning.margin:.1%}; {priced}."
    cost, late = then.replica_s / max(now.replica_s, 1e-9) - 1, then.late / max(now.late, 1e-9) - 1
    held = f"{span} they would have held {cost:+.1%} replicas for {late:+.0%} late requests"
    return f"{', '.join(moved)}: {held}; {priced}."
