"""The knobs that may be turned, their ranges, and how settings are drawn.

Targets, bounds, budget and mode are no knobs: a policy comes out of here as it went in but for the knobs. Pure; the
same generator draws the same settings.
"""

from __future__ import annotations

import math

import numpy as np

from autoscaler.decision import Turned
from autoscaler.policy import Policy
from runtime.pool import Pool
from runtime.replica import Tier

WINDOWS_S = (60.0, 120.0, 180.0, 300.0, 450.0, 600.0, 900.0)
COOLDOWNS_S = (0.0, 15.0, 30.0, 60.0, 120.0)
STEPS_IN = (1, 2, 4, 8)
HEADROOM = (0.6, 1.6)
ODDS = (1.0, 100.0)
"""Shortage over holding cost: quantiles from 0.5 to 0.99, which is what forecasts offer."""
LOAD_FACTOR = (1.0, 2.5)
"""From our own floor to a proportional rule that aims at 40 % of what a replica carries."""

SECTIONS = {
    "risk": ("shortage_usd_per_replica_hour", "headroom"),
    "reactive": ("scale_out_above", "scale_in_below", "load_factor"),
    "scale_in": ("window_s", "cooldown_s", "max_step"),
}
"""Every knob by section of the policy."""

Values = dict[str, float]
"""Knobs by their dotted names."""


def values(policy: Policy) -> Values:
    """The policy's knobs."""
    named = policy.model_dump(include={section: set(names) for section, names in SECTIONS.items()})
    return {f"{section}.{name}": named[section][name] for section, names in SECTIONS.items() for name in names}


def turned_of(own: Policy, effective: Policy) -> tuple[Turned, ...]:
    """Every knob at which the two differ."""
    before, after = values(own), values(effective)
    return tuple(Turned(name, before[name], after[name]) for name in after if after[name] != before[name])


def laid_over(policy: Policy, turned: Values) -> Policy:
    """The policy with these knobs; raises ValueError for what is no knob or out of the policy's own limits."""
    unknown = sorted(set(turned) - set(values(policy)))
    if unknown:
        raise ValueError(f"{unknown[0]} is no knob; knobs are {', '.join(values(policy))}")
    parts = policy.model_dump()
    for name, value in turned.items():
        section, _, knob = name.partition(".")
        parts[section][knob] = value
    return Policy.model_validate(parts)


def at_odds(policy: Policy, pool: Pool, odds: float) -> Policy:
    """The policy with another price of being short, so many times that of holding a replica; all else stays."""
    shortage_usd = float(f"{min(max(odds, ODDS[0]), ODDS[1]) * holding_usd(pool):.3g}")
    risk = policy.risk.model_copy(update={"shortage_usd_per_replica_hour": shortage_usd})
    return policy.model_copy(update={"risk": risk})


def anywhere(policy: Policy, pool: Pool, rng: np.random.Generator) -> Policy:
    """A policy with every knob drawn over its whole range; what is no knob stays."""
    out = rng.uniform(0.7, 1.3)
    return turned(
        policy,
        pool,
        odds=math.exp(rng.uniform(*np.log(ODDS))),
        headroom=rng.uniform(*HEADROOM),
        window_s=float(rng.choice(WINDOWS_S)),
        cooldown_s=float(rng.choice(COOLDOWNS_S)),
        step_in=int(rng.choice(STEPS_IN)),
        out_above=out,
        in_below=out * rng.uniform(0.5, 1.0),
        load_factor=max(1.0, rng.uniform(0.6, LOAD_FACTOR[1])),
    )


def near(policy: Policy, pool: Pool, rng: np.random.Generator) -> Policy:
    """A policy with every knob a little off, or, one time in four for the coarse ones, drawn again."""
    fresh, old = anywhere(policy, pool, rng), policy
    pick = rng.random(3) < 0.25
    return turned(
        policy,
        pool,
        odds=old.risk.shortage_usd_per_replica_hour / holding_usd(pool) * math.exp(rng.normal(0, 0.4)),
        headroom=old.risk.headroom + rng.normal(0, 0.05),
        window_s=(fresh if pick[0] else old).scale_in.window_s,
        cooldown_s=(fresh if pick[1] else old).scale_in.cooldown_s,
        step_in=(fresh if pick[2] else old).scale_in.max_step,
        out_above=old.reactive.scale_out_above + rng.normal(0, 0.05),
        in_below=old.reactive.scale_in_below + rng.normal(0, 0.05),
        load_factor=old.reactive.load_factor + rng.normal(0, 0.08),
    )


def turned(
    policy: Policy,
    pool: Pool,
    *,
    odds: float,
    headroom: float,
    window_s: float,
    cooldown_s: float,
    step_in: int,
    out_above: float,
    in_below: float,
    load_factor: float,
) -> Policy:
    """The policy with these knobs, within their ranges and rounded to what a person would write."""
    odds, headroom = min(max(odds, ODDS[0]), ODDS[1]), min(max(headroom, HEADROOM[0]), HEADROOM[1])
    out = round(min(max(out_above, 0.5), 2.0), 2)
    shortage_usd = float(f"{odds * holding_usd(pool):.3g}")
    risk = {"shortage_usd_per_replica_hour": shortage_usd, "headroom": round(headroom, 2)}
    floor = {"scale_out_above": out, "scale_in_below": min(out, round(max(in_below, 0.2), 2))}
    factor = round(min(max(load_factor, LOAD_FACTOR[0]), LOAD_FACTOR[1]), 2)
    scale_in = {"window_s": window_s, "cooldown_s": cooldown_s, "max_step": step_in}
    return policy.model_copy(
        update={
            "risk": policy.risk.model_copy(update=risk),
            "reactive": policy.reactive.model_copy(update=floor | {"load_factor": factor}),
            "scale_in": policy.scale_in.model_copy(update=scale_in),
        }
    )


def holding_usd(pool: Pool) -> float:
    """Dollars an hour for a replica; one where they cost nothing, so that only the ratio counts."""
    return pool.holding_usd_per_hour(Tier.ACTIVE) or 1.0
