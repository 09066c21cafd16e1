"""How many GPUs to hold for several services that sleep on the same ones: DESIGN 1, for what they need together.

A service whose weights wait in the memory of every node of a rack needs seconds to come into rotation, so its own
replicas are sized for the load of the next seconds. What takes minutes is to get more GPUs, and those are held for
all services at once: for a quantile of the *sum* of what they may need within that time, not for the sum of their
quantiles. Services that do not peak together insure one another.

The sum is taken over scenarios: every service's forecast gives the distribution of its own maximum, the recent past
gives how much they rise together (``comovement``), and a Gaussian copula joins the two. Scenarios are a fixed low-
discrepancy set, so the same inputs give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from autoscaler.capacity import STAFFING_BETA, RhoMax
from forecasting.forecast import Forecast
from forecasting.history import Array, History, Target

SCENARIOS = 1024

LEAST_WINDOWS = 30
"""Windows without overlap that weigh as much as the belief that services have nothing to do with each other."""

SPAN_CELLS = 7 * 1440
"""How far back services are compared."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one service may ask of the GPUs that it shares: its forecast, what a replica carries, and what it takes.

    ``active`` is what its own decision wants awake now, ``most`` its upper bound. What was not ``seen`` at this tick is
    not known well enough to give anything back on.
    """

    service: str
    forecast: Forecast | None
    rho: RhoMax
    gpus_per_replica: int
    active: int
    most: int
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Need:
    """GPUs to hold: ``together`` for all, ``apart`` if each insured itself at the same quantile, ``active`` in use now.

    ``known`` is False while a service has no forecast or was not seen; what is held must not shrink then. ``risk``, in
    the order of the claims, is what each is expected to need beyond what it has, in GPUs, where all together need just
    ``together``: the risk that what is held idle covers for it.
    """

    together: int
    apart: int
    active: int
    known: bool
    risk: tuple[float, ...] = ()


def need(claims: Sequence[Claim], comove: Array, lead_s: float, tau: float) -> Need:
    """GPUs that suffice with probability ``tau`` for all that ``claims`` may need within ``lead_s``.

    ``comove`` is the correlation matrix of ``comovement`` in the order of the claims, (n, n). Never below what the
    services want now.
    """
    active = sum(claim.active * claim.gpus_per_replica for claim in claims)
    if not claims:
        return Need(0, 0, 0, True)
    ranks = scenarios(comove)
    gpus = np.stack([_gpus(claim, ranks[:, i], lead_s) for i, claim in enumerate(claims)])
    apart = np.quantile(gpus, tau, axis=1, method="higher").sum()
    together = np.quantile(gpus.sum(axis=0), tau, method="higher")
    known = all(claim.forecast is not None and claim.seen for claim in claims)
    risk = _risk(gpus, np.array([claim.active * claim.gpus_per_replica for claim in claims]), float(together))
    return Need(max(active, int(together)), max(active, int(apart)), active, known, risk)


def _risk(gpus: Array, active: Array, together: float) -> tuple[float, ...]:
    """Each service's part of a quantile of the sum: its mean over the scenarios next to it, less what it has.

    E[X_i | ΣX = q] is the part of q that service i causes, and these parts sum to q (Euler's allocation of a quantile:
    Tasche, Risk contributions and performance measurement, 1999). ``gpus`` has shape (services, scenarios).
    """
    near = np.argsort(np.abs(gpus.sum(axis=0) - together), kind="stable")[: SCENARIOS // 20]
    return tuple(float(part) for part in np.maximum(gpus[:, near].mean(axis=1) - active, 0.0))


def comovement(histories: Sequence[History], cells: int) -> Array:
    """How much the loads of services rise together within ``cells`` cells: (n, n), rank correlations.

    Of the change from now to the maximum within the horizon, over the last week, drawn towards none at all where
    there is little to go by.
    """
    count = len(histories)
    last = max((history.last for history in histories), default=0)
    first = last - SPAN_CELLS
    target = Target((cells,), (0.5,))
    rises = [history.truth(first, last, target)[:, 0] - history.at(first, last) for history in histories]
    matrix = np.eye(count)
    for i in range(count):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = _correlation(rises[i], rises[j], cells)
    return matrix


def scenarios(comove: Array) -> Array:
    """Ranks in (0, 1), (SCENARIOS, n): uniform for each service, and joined by a Gaussian copula."""
    values, vectors = np.linalg.eigh(comove)
    spread = vectors * np.sqrt(np.maximum(values, 0.0))
    joined = _normals(len(comove)) @ spread.T / np.sqrt((spread**2).sum(axis=1))
    ranks: Array = ndtr(joined)
    return ranks


@lru_cache(maxsize=32)
def _normals(count: int) -> Array:
    from scipy.stats import qmc  # Half a second of every start, and only fleets with a rack need it.

    points = qmc.Sobol(count, scramble=True, rng=np.random.default_rng(0)).random(SCENARIOS)
    drawn: Array = ndtri(np.clip(points, 1e-6, 1 - 1e-6))
    return drawn


def _correlation(one: Array, other: Array, cells: int) -> float:
    from scipy.stats import rankdata  # As above.

    both = np.isfinite(one) & np.isfinite(other)
    windows = both.sum() / cells
    if windows < 2:
        return 0.0
    ranks = rankdata(one[both]), rankdata(other[both])
    if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
        return 0.0
    measured = np.corrcoef(*ranks)[0, 1]
    return float(measured * windows / (windows + LEAST_WINDOWS))


def _gpus(claim: Claim, ranks: Array, lead_s: float) -> Array:
    """GPUs of one service in each scenario: (n,)."""
    if claim.forecast is None:
        return np.full(len(ranks), float(claim.active * claim.gpus_per_replica))
    erlangs = _quantiles(claim.forecast, lead_s, ranks)
    noise = STAFFING_BETA * np.sqrt(erlangs / claim.rho.sequences_per_erlang) if claim.rho.sequences_per_erlang else 0.0
    replicas = np.ceil((erlangs + noise) / claim.rho.among(claim.active).value - 1e-9)
    return np.clip(replicas, claim.active, max(claim.active, claim.most)) * claim.gpus_per_replica


def _quantiles(forecast: Forecast, lead_s: float, ranks: Array) -> Array:
    """The maximum within ``lead_s`` at each rank: between the quantiles told linear, above them an exponential tail.

    Below the lowest one it mirrors what is above it, and is never negative.
    """
    taus = np.array(forecast.taus)
    told = np.array([forecast.quantile(lead_s, tau) for tau in forecast.taus])
    middle = np.interp(np.maximum(ranks, 1 - ranks), taus, told)
    below = np.maximum(0.0, 2 * told[0] - middle)
    top = taus[-1]
    steep = (told[-1] - told[-2]) / math.log((1 - taus[-2]) / (1 - top)) if len(taus) > 1 else 0.0
    beyond = told[-1] + steep * np.log((1 - top) / np.maximum(1 - ranks, 1e-9))
    values: Array = np.where(ranks > top, beyond, np.where(ranks < taus[0], below, middle))
    return values
