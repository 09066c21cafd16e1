"""Lead times as measured, leaning on the pool's own figures until there is enough to go by. Pure.

Lead times are taken as lognormal. The prior counts as ``PRIOR_SAMPLES`` measurements, so a pool that has
never launched has its configured figures and one that has launched a hundred times has its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from runtime.fleet import LeadTimeSample
from runtime.pool import LeadTime, Pool
from runtime.replica import Tier, Transition

PRIOR_SAMPLES = 5.0
NEWEST = 50
Z90 = 1.2815515594
"""The standard normal's 90th percentile."""
LEAST_S = 1e-3
"""A lead time of nothing has no logarithm; a millisecond is as good."""


def measured(pool: Pool, samples: Iterable[LeadTimeSample]) -> Mapping[Tier, int]:
    """How many measurements of the pool each tier's lead time rests on."""
    counts = Counter(sample.start for sample in samples if sample.pool == pool.name)
    return {tier: min(NEWEST, counts[tier]) for tier in pool.lead_times}


def transition(start: Tier) -> Transition:
    """What a replica goes through from that tier to serving."""
    return Transition.LAUNCHING if start in (Tier.COLD, Tier.WARM_NODE) else Transition.WAKING


def lead_times(pool: Pool, samples: Iterable[LeadTimeSample]) -> Mapping[Tier, LeadTime]:
    """The pool's lead times by tier, from the newest ``NEWEST`` samples of each tier and the prior."""
    found: dict[Tier, list[float]] = {}
    for sample in samples:
        if sample.pool == pool.name:
            found.setdefault(sample.start, []).append(sample.seconds)
    return {tier: blend(prior, found.get(tier, ())[-NEWEST:]) for tier, prior in pool.lead_times.items()}


def blend(prior: LeadTime, seconds: Sequence[float]) -> LeadTime:
    """Median and 90th percentile of prior and measurements together, seconds."""
    if not seconds:
        return prior
    centre = math.log(max(prior.p50_s, LEAST_S))
    spread = max(0.0, math.log(max(prior.p90_s, LEAST_S)) - centre) / Z90
    logs = [math.log(max(value, LEAST_S)) for value in seconds]
    weight = PRIOR_SAMPLES + len(logs)
    mean = (PRIOR_SAMPLES * centre + sum(logs)) / weight
    # The prior's own distance from the common mean is spread too, as between-group variance.
    squares = PRIOR_SAMPLES * (spread**2 + (centre - mean) ** 2) + sum((log - mean) ** 2 for log in logs)
    return LeadTime(math.exp(mean), math.exp(mean + Z90 * math.sqrt(squares / weight)))
