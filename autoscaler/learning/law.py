"""Capacity that learns: the step-time law of a pool, corrected by what its replicas show. Pure.

**The fit.** The law has four numbers and configuration gives each a value, the prior. What is learned are four
factors on them. With an interval's configured step time cut into its parts (a, b·N, k·K, p·P), as shares s that add up
to 1, the law says ``measured / configured = Σ sᵢ·fᵢ``: a linear regression whose numbers have no unit. It is solved as
ridge regression towards factors of 1, with a prior of standard deviation ``PRIOR_SD`` on each: a direction that
traffic does not show (a fleet that always runs at the same load) stays where configuration put it, and what all parts
share is learned within minutes.

**Recursive**: two sums (4×4 and 4) carry everything. They are forgotten with time constant ``FORGET_S`` of learning, so
the law follows an engine upgrade within hours, and an hour in which nothing could be learned forgets nothing.
**Robust**: what lies beyond ``HUBER`` noise widths counts in inverse proportion to its distance (Huber), against the
fit as it was before the tick, so the order of replicas does not matter and a few wild intervals move nothing.
**Bounded**: factors lie in ``BOUNDS``; one that would leave is held at its bound, the others are solved beside it, and
``at_bound`` tells. **Selective**: ``evidence`` says what is refused, and why.

**Units.** An erlang is work by the law, so a law that changes would change the unit of the history that forecasts are
learned from, and a correction would look like a change of traffic. Loads therefore stay in erlangs *of the configured
law* everywhere, and only what a replica carries is corrected (``capacity.learned_rho_max``): a replica that turns out
30 % slower in every part carries fewer of the same erlangs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from autoscaler.learning.evidence import Evidence, evidence
from collectors.observation import Observation, Scrape
from runtime.pool import Pool, StepTime

Floats = npt.NDArray[np.float64]

TERMS = ("a", "b", "k", "p")
"""The factors' names, in their order everywhere."""

PRIOR_SD = 0.25
"""What a configured number may well be off by: about what transfer between configurations costs (the catalogue)."""

NOISE = 0.1
"""Standard deviation of measured over predicted step time in ``NOISE_S`` seconds of one replica, relative."""

NOISE_S = 15.0
HUBER = 1.5
FORGET_S = 3600.0
BOUNDS = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of a pool's law beyond its configuration ``prior``.

    ``information`` (row by row, 4×4) and ``moments`` are the sums of the regression. ``seconds`` of replicas went into
    them, less what is forgotten. ``taken`` and ``refused`` (reason, replicas) are of the last look alone;
    ``last_taken_s`` is when something was learned last.
    """

    prior: StepTime
    information: tuple[float, ...] = (0.0,) * 16
    moments: tuple[float, ...] = (0.0,) * 4
    factors: tuple[float, ...] = (1.0,) * 4
    seconds: float = 0.0
    taken: int = 0
    refused: tuple[tuple[str, int], ...] = ()
    last_taken_s: float | None = None

    @property
    def step(self) -> StepTime:
        """The corrected law."""
        return StepTime(*(f * value for f, value in zip(self.factors, values(self.prior), strict=True)))

    @property
    def at_bound(self) -> tuple[str, ...]:
        """Terms whose factor is held at a bound: configuration is further off than is believed."""
        return tuple(term for term, factor in zip(TERMS, self.factors, strict=True) if factor in BOUNDS)


def values(step: StepTime) -> tuple[float, float, float, float]:
    """The law's four numbers in the order of ``TERMS``."""
    return step.a_ms, step.b_ms_per_seq, step.k_ms_per_1k_kv_tokens, step.p_ms_per_1k_prefill_tokens


def corrected(pool: Pool, learned: Learned | None) -> Pool:
    """The pool with the law as learned; as configured where nothing was, or where it was learned of another law."""
    return pool if learned is None or learned.prior != pool.step else replace(pool, step=learned.step)


def learn(
    learned: Learned | None,
    pool: Pool,
    names: Iterable[str],
    previous: Scrape | None,
    current: Scrape,
    seen: Observation,
) -> Learned:
    """What is known after one more look at the replicas of a pool. ``seen`` is the service's observation of it."""
    start = learned if learned is not None and learned.prior == pool.step else Learned(pool.step)
    before = previous.replicas if previous else {}
    found = [
        evidence(before.get(name), current.replicas[name], seen, pool) if name in current.replicas else "gap: not seen"
        for name in sorted(names)
    ]
    refused = Counter(reason for reason in found if isinstance(reason, str))
    told = tuple(sorted(refused.items()))
    taken = [item for item in found if isinstance(item, Evidence)]
    if not taken:
        return replace(start, taken=0, refused=told)
    return replace(absorb(start, taken), taken=len(taken), refused=told, last_taken_s=current.at_s)


def absorb(learned: Learned, taken: Iterable[Evidence]) -> Learned:
    """The fit with these intervals of one tick in it."""
    rows = sorted((e.seconds, e.step_ms, e.decoding, e.kv_tokens, e.prefill_tokens) for e in taken)
    seconds, step_ms, decoding, kv, prefill = np.array(rows, dtype=np.float64).T
    parts = np.stack([np.ones_like(step_ms), decoding, kv / 1000, prefill / 1000], axis=1) * values(learned.prior)
    configured_ms = parts.sum(axis=1)
    shares, ratios = parts / configured_ms[:, None], step_ms / configured_ms
    weights = seconds / NOISE_S / NOISE**2 * huber(ratios - shares @ np.array(learned.factors))
    keep = math.exp(-float(seconds.max()) / FORGET_S)
    information = keep * np.array(learned.information).reshape(4, 4) + (shares.T * weights) @ shares
    moments = keep * np.array(learned.moments) + shares.T @ (weights * ratios)
    return replace(
        learned,
        information=tuple(map(float, information.ravel())),
        moments=tuple(map(float, moments)),
        factors=solve(information, moments),
        seconds=keep * learned.seconds + float(seconds.sum()),
    )


def huber(residuals: Floats) -> Floats:
    """Weight of each relative residual: 1 within ``HUBER`` noise widths, falling as 1/|r| beyond."""
    width = HUBER * NOISE
    weights: Floats = width / np.maximum(width, np.abs(residuals))
    return weights


def solve(information: Floats, moments: Floats) -> tuple[float, ...]:
    """Factors that fit best with the prior, within ``BOUNDS``: whichever leaves most is held there, in turn."""
    matrix = information + np.eye(4) / PRIOR_SD**2
    wanted = moments + 1 / PRIOR_SD**2
    factors, free = np.ones(4), np.ones(4, dtype=bool)
    while free.any():
        held = wanted[free] - matrix[np.ix_(free, ~free)] @ factors[~free]
        factors[free] = np.linalg.solve(matrix[np.ix_(free, free)], held)
        beyond = np.where(free, np.abs(factors - np.clip(factors, *BOUNDS)), 0.0)
        worst = int(beyond.argmax())
        if beyond[worst] <= 0:
            break
        factors[worst] = np.clip(factors[worst], *BOUNDS)
        free[worst] = False
    return tuple(map(float, factors))
